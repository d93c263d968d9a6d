#include "shed/broker/aws_payload.h"

#include <algorithm>

#include "shed/base/clock.h"

namespace shed::broker {
namespace {

// Real ones have 20, 40 and up to a few thousand bytes.
constexpr std::size_t kMaxKey = 256;
constexpr std::size_t kMaxToken = 16 * 1024;
constexpr std::size_t kAccountDigits = 12;
// The fields around the values.
constexpr std::size_t kDocumentFrame = 256;

bool is_token(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

Result<std::string_view> field(const JsonValue& payload, std::string_view name, std::size_t limit) {
  const std::string_view text = payload[name].string_or("");
  if (text.empty()) return fail(Errc::kProtocol, "the host's answer has no '{}'", name);
  if (text.size() > limit || !is_token(text))
    return fail(Errc::kProtocol, "the host's answer has a '{}' that is none", name);
  return text;
}

// What is no account number is left out: nobody relies on it.
std::string_view account_in(const JsonValue& payload) {
  const std::string_view text = payload["account_id"].string_or("");
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return text.size() == kAccountDigits && digits ? text : std::string_view{};
}

void append_document(Buffer& out, const CredentialsView& credentials, bool for_process) {
  // Never grown, so that no copy stays behind.
  out.spare(2 * (credentials.access_key_id.size() + credentials.secret_access_key.size() +
                 credentials.session_token.size()) +
            kDocumentFrame);
  BufferJsonWriter json(out);
  json.begin_object();
  if (for_process) json.field("Version", 1);
  json.field("AccessKeyId", credentials.access_key_id)
      .field("SecretAccessKey", credentials.secret_access_key)
      .field(for_process ? "SessionToken" : "Token", credentials.session_token);
  if (credentials.expiration) json.field("Expiration", format_rfc3339(*credentials.expiration));
  json.field_unless_empty("AccountId", credentials.account_id).end_object();
}

}  // namespace

std::string encode_credentials(const aws::Credentials& credentials) {
  std::string payload;
  payload.reserve(2 * (credentials.access_key_id.size() + credentials.secret_access_key.size() +
                       credentials.session_token.size()) +
                  kDocumentFrame);
  JsonWriter json(payload);
  json.begin_object()
      .field("access_key_id", credentials.access_key_id)
      .field("secret_access_key", credentials.secret_access_key.reveal())
      .field("session_token", credentials.session_token.reveal());
  if (credentials.expiration) json.field("expiration", format_rfc3339(*credentials.expiration));
  json.field_unless_empty("account_id", credentials.account_id).end_object();
  return payload;
}

std::string encode_aws_status(std::string_view role, std::optional<WallTime> cached_until) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().field("connected", true).field("role", role);
  if (cached_until) json.field("cached_until", format_rfc3339(*cached_until));
  json.end_object();
  return payload;
}

Result<CredentialsView> decode_credentials(const JsonValue& payload) {
  const auto key = field(payload, "access_key_id", kMaxKey);
  if (!key) return propagate(key);
  const auto secret = field(payload, "secret_access_key", kMaxKey);
  if (!secret) return propagate(secret);
  const auto token = field(payload, "session_token", kMaxToken);
  if (!token) return propagate(token);
  CredentialsView credentials{*key, *secret, *token, std::nullopt, account_in(payload)};
  const std::string_view expiration = payload["expiration"].string_or("");
  if (expiration.empty()) return credentials;
  const auto time = parse_rfc3339(expiration);
  if (!time) return fail(Errc::kProtocol, "the host's answer has an 'expiration' that is no time");
  credentials.expiration = *time;
  return credentials;
}

Result<AwsStatus> decode_aws_status(const JsonValue& payload) {
  const auto role = payload["role"].string();
  if (!role) return fail(Errc::kProtocol, "the host's answer has no 'role'");
  return AwsStatus{std::string(*role), std::string(payload["cached_until"].string_or(""))};
}

void append_container_document(Buffer& out, const CredentialsView& credentials) {
  append_document(out, credentials, false);
}

void append_process_document(Buffer& out, const CredentialsView& credentials) {
  append_document(out, credentials, true);
}

}  // namespace shed::broker
