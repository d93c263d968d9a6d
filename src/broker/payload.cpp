#include "shed/broker/payload.h"

#include <fmt/format.h>

namespace shed::broker {

std::string error_payload(std::string_view text, std::string_view code, std::string_view reason_code,
                          std::string_view reason) {
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("error", text)
      .field("code", code)
      .field_unless_empty("reason_code", reason_code)
      .field_unless_empty("reason", reason)
      .end_object();
  return payload;
}

std::optional<PayloadError> error_in(const JsonValue& payload) {
  const std::string_view code = payload["code"].string_or("");
  if (code.empty()) return std::nullopt;
  return PayloadError{std::string(payload["error"].string_or("")), std::string(code),
                      std::string(payload["reason_code"].string_or("")),
                      std::string(payload["reason"].string_or(""))};
}

std::string PayloadError::describe() const {
  return fmt::format("{} ({}){}{}", text, reason_code.empty() ? code : reason_code,
                     reason.empty() ? "" : ": ", reason);
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

std::string unknown_operation(std::string_view operation) {
  // The name comes from a guest: as much of it as tells what was meant.
  constexpr std::size_t kShown = 64;
  return error_payload(fmt::format("unknown operation: {}", operation.substr(0, kShown)), "INTERNAL_ERROR");
}

std::string invalid_payload() { return error_payload("invalid payload", "INTERNAL_ERROR"); }

}  // namespace shed::broker
