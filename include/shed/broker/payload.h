// What the payloads of all namespaces have in common (protocol.md section 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/base/clock.h"
#include "shed/base/json.h"

namespace shed::broker {

// {"error":…,"code":…,"reason_code":…,"reason":…}; without the last two when they are empty. `code` is
// one that existing guests know, `reason_code` our finer one, `reason` what is to be done about it.
std::string error_payload(std::string_view text, std::string_view code, std::string_view reason_code = {},
                          std::string_view reason = {});

struct PayloadError {
  std::string text;
  std::string code;
  std::string reason_code;  // these two are empty when the other side has none
  std::string reason;

  // For the log of who asked.
  std::string describe() const;
};
// A payload is an error exactly when its `code` is a non-empty string.
std::optional<PayloadError> error_in(const JsonValue& payload);

std::string ping_request();
// {"status":"ok"}, with "request_timeout_ms" when a request may take that long.
std::string ping_answer(std::optional<Millis> request_limit);
std::string unknown_operation(std::string_view operation);
std::string invalid_payload();

}  // namespace shed::broker
