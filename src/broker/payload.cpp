#include "shed/broker/payload.h"

#include <fmt/format.h>

#include <algorithm>

namespace shed::broker {
namespace {

// What a host may ask us to wait at most, and the second on top of it for the way back.
constexpr Millis kLongestRequest{300'000};
constexpr Millis kWayBack{1'000};
// A guest told to come back later than this is told nothing: it is no rate limit any more.
constexpr std::int64_t kLongestRetryAfter = 3600;

std::optional<std::chrono::seconds> retry_after_in(const JsonValue& payload) {
  const auto seconds = payload["retry_after_s"].integer().value_or(0);
  if (seconds < 1 || seconds > kLongestRetryAfter) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

std::string error_payload(std::string_view text, std::string_view code, std::string_view reason_code,
                          std::string_view reason, Retry retry,
                          std::optional<std::chrono::seconds> retry_after) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object()
      .field("error", text)
      .field("code", code)
      .field_unless_empty("reason_code", reason_code)
      .field_unless_empty("reason", reason);
  if (retry == Retry::kLater) json.field("retryable", true);
  if (retry_after) json.field("retry_after_s", retry_after->count());
  json.end_object();
  return payload;
}

std::optional<PayloadError> error_in(const JsonValue& payload) {
  const std::string_view code = payload["code"].string_or("");
  if (code.empty()) return std::nullopt;
  return PayloadError{
      std::string(payload["error"].string_or("")),       std::string(code),
      std::string(payload["reason_code"].string_or("")), std::string(payload["reason"].string_or("")),
      payload["retryable"].boolean().value_or(false),    retry_after_in(payload)};
}

std::string PayloadError::describe() const {
  const std::string& fine = reason_code.empty() ? code : reason_code;
  if (reason.empty()) return fmt::format("{} ({})", text, fine);
  if (reason.starts_with(text)) return fmt::format("{} ({})", reason, fine);
  return fmt::format("{} ({}): {}", text, fine, reason);
}

std::string ping_request() { return R"({"operation":"ping"})"; }

std::string ping_answer(std::optional<Millis> request_limit) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().field("status", "ok");
  if (request_limit) json.field("request_timeout_ms", request_limit->count());
  json.end_object();
  return payload;
}

Result<Millis> request_limit_in(const JsonValue& ping_answer, Millis usual) {
  if (ping_answer["status"].string_or("") != "ok")
    return fail(Errc::kProtocol, "the host's answer to a ping is not ok");
  const Millis asked(ping_answer["request_timeout_ms"].integer().value_or(0));
  return asked > Millis(0) ? std::min(asked, kLongestRequest) + kWayBack : usual;
}

std::string unknown_operation(std::string_view operation) {
  // The name comes from a guest: as much of it as tells what was meant.
  constexpr std::size_t kShown = 64;
  return error_payload(fmt::format("unknown operation: {}", operation.substr(0, kShown)), "INTERNAL_ERROR");
}

std::string invalid_payload() { return error_payload("invalid payload", "INTERNAL_ERROR"); }

}  // namespace shed::broker
