#include "broker/approval_lines.h"

#include <algorithm>

#include "broker/cut_text.h"
#include "shed/base/json.h"
#include "shed/base/uuid.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxName = 128;  // of a program or a person
// Grants beyond this are not listed: the line would be none that an approver takes.
constexpr std::size_t kMaxGrants = std::size_t{900} * 1024;
constexpr int kVersion = 2;

std::string cut(std::string_view text) { return std::string(text.substr(0, kMaxName)); }

void start(JsonWriter& json, std::string_view type, std::string_view id, WallTime now) {
  json.begin_object()
      .field("type", type)
      .field("v", kVersion)
      .field("id", id)
      .field("ts", format_rfc3339_millis(now));
}

std::string end(JsonWriter& json, std::string& line) {
  json.end_object();
  line += '\n';
  return std::move(line);
}

void show(JsonWriter& json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.field(name, both_ends(text, Grants::kShownWhole));
}

void names(JsonWriter& json, std::string_view key, std::span<const std::string_view> list) {
  json.key(key).begin_array();
  for (const std::string_view name : list) json.string(name);
  json.end_array();
}

void agent(JsonWriter& json, std::string_view version, std::string_view method) {
  json.key("agent").begin_object().field("version", version).field("approval_method", method).end_object();
}

Hello read_hello(const JsonValue& root) {
  const JsonValue client = root["client"];
  Hello hello;
  hello.name = cut(client["name"].string_or(""));
  hello.version = cut(client["version"].string_or(""));
  hello.pid = client["pid"].integer().value_or(0);
  const auto replay = root["replay_events"].integer().value_or(0);
  hello.replay_events = static_cast<std::size_t>(std::max<std::int64_t>(replay, 0));
  return hello;
}

std::optional<Millis> read_ttl(const JsonValue& value) {
  if (!value.exists() || value.is_null()) return std::nullopt;
  const auto text = value.string();
  if (text && text->empty()) return std::nullopt;
  const auto ttl = parse_duration(text.value_or("none"));
  // Refused on purpose: who means a time that we cannot read does not mean the longest one.
  return ttl ? std::max(*ttl, Millis(0)) : Millis(0);
}

Result<PersonsAnswer> read_answer(const JsonValue& root) {
  const auto id = root["request_id"].string();
  if (!id) return fail(Errc::kProtocol, "an answer without a request_id");
  PersonsAnswer answer;
  answer.request_id = cut(*id);
  answer.approved = root["decision"].string_or("") == "approve";
  answer.decided_by = cut(root["decided_by"].string_or(""));
  answer.scope = parse_scope(root["scope"].string_or(""));
  answer.ttl = read_ttl(root["ttl"]);
  return answer;
}

Result<std::string> read_revoke(const JsonValue& root) {
  if (root["all"].boolean().value_or(false)) return std::string();
  const auto id = root["id"].string();
  if (!id || id->empty()) return fail(Errc::kProtocol, "a revoke that names no grant");
  return cut(*id);
}

}  // namespace

Result<ApproverLine> read_approver_line(std::string_view line) {
  using Kind = ApproverLine::Kind;
  JsonDocument document;
  const auto root = document.parse(line);
  if (!root) return fail(Errc::kProtocol, "a line is not JSON");
  const auto type = (*root)["type"].string();
  if (!type) return fail(Errc::kProtocol, "a line has no type");
  ApproverLine read;
  if (*type == "hello") {
    read.kind = Kind::kHello;
    read.hello = read_hello(*root);
  } else if (*type == "approval_response") {
    auto answer = read_answer(*root);
    if (!answer) return propagate(answer);
    read.kind = Kind::kAnswer;
    read.answer = std::move(*answer);
  } else if (*type == "revoke") {
    auto grant = read_revoke(*root);
    if (!grant) return propagate(grant);
    read.kind = Kind::kRevoke;
    read.grant = std::move(*grant);
  } else if (*type == "pong") {
    read.kind = Kind::kPong;
  } else if (*type == "list_grants") {
    read.kind = Kind::kListGrants;
  }
  return read;
}

std::string hello_ack_line(const ChannelFacts& facts, WallTime now) {
  std::string line;
  JsonWriter json(line);
  start(json, "hello_ack", make_uuid7(now).view(), now);
  agent(json, SHED_VERSION, policy_name(Policy::kShedDesktop));
  names(json, "namespaces", facts.namespaces);
  names(json, "gate_namespaces", facts.gate_namespaces);
  json.field("request_timeout_ms", facts.request_timeout.count()).field("accepted", true).field("reason", "");
  return end(json, line);
}

std::string superseded_line(WallTime now) {
  std::string line;
  JsonWriter json(line);
  start(json, "hello_ack", make_uuid7(now).view(), now);
  agent(json, "", "");
  json.key("namespaces").null().key("gate_namespaces").null();
  json.field("request_timeout_ms", 0).field("accepted", false).field("reason", "superseded");
  return end(json, line);
}

std::string question_line(std::string_view id, const ApprovalQuestion& question, std::uint64_t count,
                          WallTime now, WallTime expires_at) {
  std::string line;
  JsonWriter json(line);
  start(json, "approval_request", id, now);
  json.field("namespace", namespace_name(question.ns)).field("op", question.op);
  show(json, "server", question.server);
  json.field("shed", both_ends(question.shed, Grants::kShownWhole))
      .field("detail", both_ends(question.detail, Grants::kShownWhole));
  json.field("expires_at", format_rfc3339_millis(expires_at));
  show(json, "key_type", question.key_type);
  show(json, "key", question.key);
  show(json, "key_comment", question.key_comment);
  show(json, "subject", question.subject);
  show(json, "proof", question.proof);
  json.field("count", count);
  show(json, "request_id", question.request_id);
  return end(json, line);
}

std::string event_line(const AuditRecord& record) {
  std::string line;
  JsonWriter json(line);
  json.begin_object()
      .field("type", "event")
      .field("v", kVersion)
      .field("id", make_uuid7(record.ts).view())
      .field("ts", format_rfc3339(record.ts))
      .field("kind", "audit");
  write_audit_fields(json, record);
  return end(json, line);
}

std::string ping_line(WallTime now) {
  std::string line;
  JsonWriter json(line);
  start(json, "ping", make_uuid7(now).view(), now);
  return end(json, line);
}

void write_grants(JsonWriter& json, const std::string& text, std::span<const Grant> grants) {
  json.begin_array();
  for (const Grant& grant : grants) {
    if (text.size() > kMaxGrants) break;
    const AskedFor& asked = grant.asked;
    const bool is_ssh = asked.ns == Namespace::kSsh;
    json.begin_object().field("id", grant.id).field("namespace", namespace_name(asked.ns));
    json.field("op", asked.op).field_unless_empty("server", asked.server).field("shed", asked.shed);
    json.field_unless_empty("key", is_ssh ? asked.object : "");
    // What it covers: for a whole guest everything that is done with the key.
    const bool any_subject = is_ssh && grant.scope == Scope::kPerShed;
    json.field_unless_empty("subject", any_subject ? "" : is_ssh ? asked.subject : asked.object);
    json.field_unless_empty("proof", any_subject ? "" : asked.proof);
    json.field("scope", scope_name(grant.scope)).field("ttl", format_duration(grant.ttl));
    json.field_unless_empty("decided_by", grant.decided_by);
    json.field("granted_at", format_rfc3339(grant.granted_at));
    json.field("expires_at", format_rfc3339(grant.ends_at)).field("uses", grant.uses).end_object();
  }
  json.end_array();
}

std::string grants_line(std::span<const Grant> grants, WallTime now) {
  std::string line;
  JsonWriter json(line);
  start(json, "grants", make_uuid7(now).view(), now);
  json.key("grants");
  write_grants(json, line, grants);
  return end(json, line);
}

}  // namespace shed::broker
