// What the payloads of all namespaces have in common (protocol.md section 5).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "shed/base/clock.h"
#include "shed/base/json.h"

namespace shed::broker {

// Whether the same request may succeed a little later.
enum class Retry { kNo, kLater };

// {"error":…,"code":…,"reason_code":…,"reason":…,"retryable":true,"retry_after_s":12}; without the last four
// when they are empty, kNo or not known. `code` is one that existing guests know, `reason_code` our finer
// one, `reason` what is to be done about it, `retryable` (ours) tells "later" from "no", and `retry_after_s`
// (ours) how much later.
std::string error_payload(std::string_view text, std::string_view code, std::string_view reason_code = {},
                          std::string_view reason = {}, Retry retry = Retry::kNo,
                          std::optional<std::chrono::seconds> retry_after = {});

struct PayloadError {
  std::string text;
  std::string code;
  std::string reason_code;  // these two are empty when the other side has none
  std::string reason;
  bool retryable = false;
  std::optional<std::chrono::seconds> retry_after;  // one second to an hour

  // For the log of who asked.
  std::string describe() const;
};
// A payload is an error exactly when its `code` is a non-empty string.
std::optional<PayloadError> error_in(const JsonValue& payload);

std::string ping_request();
// {"status":"ok"}, with "request_timeout_ms" when a request may take that long.
std::string ping_answer(std::optional<Millis> request_limit);
// A guest's time limit for requests after this answer to its ping: what the host asked for, at most 5
// minutes, and a second for the way back; `usual` where it asked for nothing. Errc::kProtocol when the
// answer is not ok.
Result<Millis> request_limit_in(const JsonValue& ping_answer, Millis usual);
std::string unknown_operation(std::string_view operation);
std::string invalid_payload();

}  // namespace shed::broker
