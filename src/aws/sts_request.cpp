#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/utf8.h"
#include "shed/aws/sts_messages.h"

// Limits: AWS STS API Reference, AssumeRole.

namespace shed::aws {
namespace {

constexpr std::size_t kMinArn = 20;
constexpr std::size_t kMaxArn = 2048;
constexpr std::size_t kMinName = 2;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxExternalId = 1224;
constexpr std::size_t kMaxPolicy = 2048;
constexpr std::size_t kMaxPolicyArns = 10;
constexpr std::size_t kMaxTags = 50;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;

bool is_word(std::uint32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_one_of(std::uint32_t c, std::string_view characters) {
  return c < 0x80 && characters.find(static_cast<char>(c)) != characters.npos;
}

bool in_name(std::uint32_t c) { return is_word(c) || is_one_of(c, "+=,.@-"); }
bool in_external_id(std::uint32_t c) { return in_name(c) || is_one_of(c, ":/"); }
bool in_arn(std::uint32_t c) { return c > ' ' && c < 0x7f; }
bool in_policy(std::uint32_t c) { return c == '\t' || c == '\n' || c == '\r' || (c >= ' ' && c <= 0xff); }
// Letters, digits and spaces of any script; STS knows which those are.
bool in_tag(std::uint32_t c) { return is_word(c) || is_one_of(c, " .:/=+-@") || c >= 0xa0; }

struct Rule {
  std::string_view field;
  std::size_t least;
  std::size_t most;
  bool (*allowed)(std::uint32_t);
};

Status check(const Rule& rule, std::string_view text) {
  std::size_t count = 0;
  for (std::string_view rest = text; !rest.empty() && count <= rule.most; ++count) {
    const Utf8Character c = first_utf8_character(rest);
    if (c.length == 0) return fail(Errc::kInvalid, "the {} is not UTF-8", rule.field);
    if (!rule.allowed(c.code)) {
      return fail(Errc::kInvalid, "the {} has a character that STS does not take", rule.field);
    }
    rest.remove_prefix(c.length);
  }
  if (count < rule.least || count > rule.most) {
    return fail(Errc::kLimit, "the {} must have {} to {} characters", rule.field, rule.least, rule.most);
  }
  return {};
}
Status check_unless_empty(const Rule& rule, std::string_view text) {
  return text.empty() ? Status() : check(rule, text);
}

Status check_arn(std::string_view field, std::string_view arn, std::string_view resource) {
  if (!arn.starts_with("arn:") || arn.find(resource) == arn.npos) {
    return fail(Errc::kInvalid, "the {} is not of the form arn:aws:iam::ACCOUNT{}NAME", field, resource);
  }
  return check({field, kMinArn, kMaxArn, in_arn}, arn);
}

Status check_names(const AssumeRoleRequest& request) {
  Status status = check_arn("role", request.role_arn, ":role/");
  if (status) status = check({"session name", kMinName, kMaxName, in_name}, request.session_name);
  if (status) {
    status =
        check_unless_empty({"external id", kMinName, kMaxExternalId, in_external_id}, request.external_id);
  }
  if (status) {
    status = check_unless_empty({"source identity", kMinName, kMaxName, in_name}, request.source_identity);
  }
  return status;
}

Status check_policies(const AssumeRoleRequest& request) {
  if (request.policy_arns.size() > kMaxPolicyArns) {
    return fail(Errc::kLimit, "a session has at most {} policies by ARN", kMaxPolicyArns);
  }
  Status status = check_unless_empty({"session policy", 1, kMaxPolicy, in_policy}, request.policy);
  for (const std::string& arn : request.policy_arns) {
    if (status) status = check_arn("session policy's ARN", arn, ":policy/");
  }
  return status;
}

Status check_tags(const AssumeRoleRequest& request) {
  if (request.tags.size() > kMaxTags) return fail(Errc::kLimit, "a session has at most {} tags", kMaxTags);
  Status status;
  for (const auto& [key, value] : request.tags) {
    if (status) status = check({"session tag's key", 1, kMaxTagKey, in_tag}, key);
    if (status) status = check({"session tag's value", 0, kMaxTagValue, in_tag}, value);
  }
  return status;
}

Status check_duration(Millis duration) {
  if (duration >= kShortestSession && duration <= kLongestSession) return {};
  return fail(Errc::kInvalid, "a session lasts {} to {}", format_duration(kShortestSession),
              format_duration(kLongestSession));
}

Status check_request(const AssumeRoleRequest& request) {
  Status status = check_names(request);
  if (status) status = check_duration(request.duration);
  if (status) status = check_policies(request);
  if (status) status = check_tags(request);
  return status;
}

// application/x-www-form-urlencoded. A space becomes "%20": whoever reads forms reads that as well as "+".
class Form {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    text_ += name;
    text_ += '=';
    for (const char c : value) append(c);
  }
  void add_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  std::string take() { return std::move(text_); }

 private:
  void append(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_word(byte) || is_one_of(byte, "-.~")) {
      text_ += c;
    } else {
      text_ += fmt::format("%{:02X}", byte);
    }
  }

  std::string text_;
};

}  // namespace

Result<std::string> encode_assume_role(const AssumeRoleRequest& request) {
  if (const Status checked = check_request(request); !checked) return propagate(checked);
  Form form;
  form.add("Action", "AssumeRole");
  form.add("Version", "2011-06-15");
  form.add("RoleArn", request.role_arn);
  form.add("RoleSessionName", request.session_name);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request.duration);
  form.add("DurationSeconds", std::to_string(seconds.count()));
  form.add_unless_empty("ExternalId", request.external_id);
  form.add_unless_empty("SourceIdentity", request.source_identity);
  form.add_unless_empty("Policy", request.policy);
  for (std::size_t i = 0; i < request.policy_arns.size(); ++i) {
    form.add(fmt::format("PolicyArns.member.{}.arn", i + 1), request.policy_arns[i]);
  }
  for (std::size_t i = 0; i < request.tags.size(); ++i) {
    form.add(fmt::format("Tags.member.{}.Key", i + 1), request.tags[i].first);
    form.add(fmt::format("Tags.member.{}.Value", i + 1), request.tags[i].second);
  }
  return form.take();
}

}  // namespace shed::aws
