#include "broker/agent_lines.h"

#include <unistd.h>

#include <algorithm>

#include "broker/cut_text.h"
#include "shed/base/json.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxId = 128;
constexpr std::size_t kMaxNamespaces = 16;
constexpr Millis kUsualQuestion{25'000};

std::string text(const JsonValue& root, std::string_view name) {
  return both_ends(root[name].string_or(""), kMaxText);
}

// An id that is cut would be another one.
Result<std::string> id_of(const JsonValue& root, std::string_view what) {
  const auto id = root["id"].string();
  if (!id || id->empty() || id->size() > kMaxId) return fail(Errc::kProtocol, "{} without an id", what);
  return std::string(*id);
}

std::uint64_t count_of(const JsonValue& root, std::string_view name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(root[name].integer().value_or(0), 0));
}

// Both times are the host agent's: what our wall clock says does not matter.
std::optional<Millis> time_left(const JsonValue& root, WallTime from) {
  const auto end = parse_rfc3339(root["expires_at"].string_or(""));
  if (!end) return std::nullopt;
  return std::chrono::duration_cast<Millis>(*end - from);
}

Result<ApproverQuestion> read_question(const JsonValue& root, SteadyTime now) {
  auto id = id_of(root, "a question");
  if (!id) return propagate(id);
  ApproverQuestion question;
  question.id = std::move(*id);
  question.ns = text(root, "namespace");
  question.op = text(root, "op");
  question.server = text(root, "server");
  question.shed = text(root, "shed");
  question.detail = text(root, "detail");
  question.key_type = text(root, "key_type");
  question.key = text(root, "key");
  question.key_comment = text(root, "key_comment");
  question.subject = text(root, "subject");
  question.proof = text(root, "proof");
  question.request_id = text(root, "request_id");
  question.expires_at = text(root, "expires_at");
  question.count = count_of(root, "count");
  const auto asked_at = parse_rfc3339(root["ts"].string_or(""));
  const Millis left = (asked_at ? time_left(root, *asked_at) : std::nullopt).value_or(kUsualQuestion);
  question.end = now + std::clamp(left, Millis(0), ApproverDesk::kLongestQuestion);
  return question;
}

std::vector<ApproverGrant> read_grants(const JsonValue& root, SteadyTime now) {
  std::vector<ApproverGrant> grants;
  const auto told_at = parse_rfc3339(root["ts"].string_or(""));
  for (const JsonValue& value : root["grants"].elements()) {
    auto id = id_of(value, "a grant");
    if (!id || grants.size() >= Grants::kMost) continue;
    ApproverGrant grant;
    grant.id = std::move(*id);
    grant.ns = text(value, "namespace");
    grant.op = text(value, "op");
    grant.server = text(value, "server");
    grant.shed = text(value, "shed");
    grant.key = text(value, "key");
    grant.subject = text(value, "subject");
    grant.proof = text(value, "proof");
    grant.scope = text(value, "scope");
    grant.decided_by = text(value, "decided_by");
    grant.uses = count_of(value, "uses");
    const Millis left = (told_at ? time_left(value, *told_at) : std::nullopt).value_or(Millis(0));
    grant.end = now + std::clamp(left, Millis(0), Millis(std::chrono::hours(1000)));
    grants.push_back(std::move(grant));
  }
  return grants;
}

Result<ApproverEvent> read_event(const JsonValue& root, std::string_view line) {
  auto id = id_of(root, "an event");
  if (!id) return propagate(id);
  ApproverEvent event;
  event.id = std::move(*id);
  event.request_id = text(root, "request_id");
  JsonDocument document;
  auto entry = parse_audit_line(document, line);
  if (!entry) return fail(Errc::kProtocol, "an event that is no record");
  event.entry = std::move(*entry);
  return event;
}

void read_hello_ack(const JsonValue& root, AgentLine& line) {
  line.accepted = root["accepted"].boolean().value_or(false);
  line.reason = text(root, "reason");
  line.version = text(root["agent"], "version");
  for (const JsonValue& ns : root["gate_namespaces"].elements()) {
    if (line.gate_namespaces.size() < kMaxNamespaces)
      line.gate_namespaces.emplace_back(ns.string_or("").substr(0, kMaxId));
  }
}

std::string plain_line(std::string_view type) { return fmt::format("{{\"type\":\"{}\"}}\n", type); }

std::string_view scope_of(PersonsChoice choice) {
  if (choice == PersonsChoice::kSession) return scope_name(Scope::kPerSession);
  if (choice == PersonsChoice::kGuest) return scope_name(Scope::kPerShed);
  return choice == PersonsChoice::kOnce ? scope_name(Scope::kPerRequest) : "";
}

}  // namespace

Result<AgentLine> read_agent_line(std::string_view line, SteadyTime now) {
  using Kind = AgentLine::Kind;
  JsonDocument document;
  const auto root = document.parse(line);
  if (!root) return fail(Errc::kProtocol, "a line is not JSON");
  const auto type = (*root)["type"].string();
  if (!type) return fail(Errc::kProtocol, "a line has no type");
  AgentLine read;
  if (*type == "hello_ack") {
    read.kind = Kind::kHelloAck;
    read_hello_ack(*root, read);
  } else if (*type == "approval_request") {
    auto question = read_question(*root, now);
    if (!question) return propagate(question);
    read.kind = Kind::kQuestion;
    read.question = std::move(*question);
  } else if (*type == "event" && (*root)["kind"].string_or("") == "audit") {
    auto event = read_event(*root, line);
    if (!event) return propagate(event);
    read.kind = Kind::kEvent;
    read.event = std::move(*event);
  } else if (*type == "grants") {
    read.kind = Kind::kGrants;
    read.grants = read_grants(*root, now);
  } else if (*type == "ping") {
    read.kind = Kind::kPing;
  }
  return read;
}

std::string hello_line(int replay_events) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("type", "hello").key("client").begin_object();
  json.field("name", "shed-ext approve").field("version", SHED_VERSION).field("pid", ::getpid()).end_object();
  json.key("capabilities").begin_array().end_array().field("replay_events", replay_events).end_object();
  return line += '\n';
}

std::string pong_line() { return plain_line("pong"); }
std::string list_grants_line() { return plain_line("list_grants"); }

std::string answer_line(std::string_view id, PersonsChoice choice, Millis ttl, std::string_view person) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("type", "approval_response").field("request_id", id);
  json.field("decision", choice == PersonsChoice::kDeny ? "deny" : "approve").field("decided_by", person);
  json.field_unless_empty("scope", scope_of(choice));
  json.field_unless_empty("ttl", ttl > Millis(0) ? format_duration(ttl) : "").end_object();
  return line += '\n';
}

std::string revoke_line(std::string_view id) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("type", "revoke").field_unless_empty("id", id);
  if (id.empty()) json.field("all", true);
  json.end_object();
  return line += '\n';
}

}  // namespace shed::broker
