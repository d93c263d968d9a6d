#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "shed/base/clock.h"

namespace shed {
namespace {

constexpr std::size_t kLongest = 64;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kNanosPerMilli = 1'000'000;

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};
constexpr std::array kUnits = {
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"\u00b5s", 1'000},  // micro sign
    Unit{"\u03bcs", 1'000},  // Greek letter mu
    Unit{"ms", kNanosPerMilli},
    Unit{"s", 1'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && is_digit(rest[length])) ++length;
  const std::string_view digits = rest.substr(0, length);
  rest.remove_prefix(length);
  return digits;
}

std::optional<std::int64_t> take_unit(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && !is_digit(rest[length]) && rest[length] != '.') ++length;
  const std::string_view name = rest.substr(0, length);
  rest.remove_prefix(length);
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return unit.nanos;
  }
  return std::nullopt;
}

std::optional<std::int64_t> scaled(std::string_view digits, std::int64_t unit) {
  std::int64_t value = 0;
  for (const char c : digits) {
    if (value > (kMost / unit - (c - '0')) / 10) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value * unit;
}

std::int64_t fraction_of(std::string_view digits, std::int64_t unit) {
  std::int64_t value = 0;
  for (const char c : digits) value += (c - '0') * (unit /= 10);
  return value;
}

// One number with its unit, in nanoseconds: "1.5h".
std::optional<std::int64_t> take_part(std::string_view& rest) {
  const std::string_view whole = take_digits(rest);
  std::string_view fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction = take_digits(rest);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  const auto unit = take_unit(rest);
  if (!unit) return std::nullopt;
  const auto value = scaled(whole, *unit);
  const std::int64_t part = fraction_of(fraction, *unit);
  if (!value || *value > kMost - part) return std::nullopt;
  return *value + part;
}

std::unexpected<Error> invalid() {
  return fail(Errc::kInvalid, "not a duration; write it like 90s, 5m or 1h30m");
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  if (text.size() > kLongest) return invalid();
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Millis(0);
  if (text.empty()) return invalid();
  std::int64_t nanos = 0;
  while (!text.empty()) {
    const auto part = take_part(text);
    if (!part || *part > kMost - nanos) return invalid();
    nanos += *part;
  }
  const Millis millis(nanos / kNanosPerMilli);
  return negative ? -millis : millis;
}

std::string format_duration(Millis duration) {
  const bool negative = duration.count() < 0;
  auto millis = static_cast<std::uint64_t>(duration.count());
  if (negative) millis = 0 - millis;  // also right for the smallest number
  if (millis == 0) return "0s";
  std::string text(negative ? "-" : "");
  const auto out = std::back_inserter(text);
  if (millis < 1000) {
    fmt::format_to(out, "{}ms", millis);
    return text;
  }
  if (const auto hours = millis / 3'600'000) fmt::format_to(out, "{}h", hours);
  if (const auto minutes = millis / 60'000 % 60) fmt::format_to(out, "{}m", minutes);
  const auto seconds = millis / 1000 % 60;
  const auto rest = millis % 1000;
  if (rest == 0) {
    if (seconds != 0) fmt::format_to(out, "{}s", seconds);
    return text;
  }
  std::string fraction = fmt::format("{:03}", rest);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  fmt::format_to(out, "{}.{}s", seconds, fraction);
  return text;
}

}  // namespace shed
