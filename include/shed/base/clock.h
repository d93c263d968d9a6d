// The clock is passed in, so that tests can turn it.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed {

using Millis = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;  // never goes back: for time limits
  virtual WallTime wall() const = 0;   // for what people and other machines read
};

const Clock& system_clock();

// RFC 3339 in UTC. Whole seconds ("2026-03-31T15:04:05Z"), or with milliseconds.
std::string format_rfc3339(WallTime time);
std::string format_rfc3339_millis(WallTime time);
// The latter without an allocation, for what is written per message.
class TimestampText {
 public:
  explicit TimestampText(WallTime time);
  std::string_view view() const { return {text_.data(), length_}; }

 private:
  std::array<char, 32> text_;
  std::size_t length_;
};
// RFC 3339 with any offset and fraction. Errc::kInvalid for what the calendar does not have.
Result<WallTime> parse_rfc3339(std::string_view text);

// Durations as Go writes them: "1h30m", "90s", "500ms", "1.5h", "-5s", "0". A bare number other
// than 0 has no unit and is Errc::kInvalid. Resolution of the result: one millisecond.
Result<Millis> parse_duration(std::string_view text);
std::string format_duration(Millis duration);  // "1h30m", "90s" as "1m30s", "500ms", "0s"

}  // namespace shed
