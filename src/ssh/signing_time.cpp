#include "shed/ssh/signing_time.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace shed::ssh {
namespace {

bool ends_with_ignoring_case(std::string_view text, std::string_view upper) {
  if (text.size() <= upper.size()) return false;
  const std::string_view end = text.substr(text.size() - upper.size());
  return std::ranges::equal(end, upper, [](char c, char wanted) { return c == wanted || c == wanted + 32; });
}

bool take_utc(std::string_view& text) {
  for (const std::string_view suffix : {"Z", "UTC"}) {
    if (!ends_with_ignoring_case(text, suffix)) continue;
    text.remove_suffix(suffix.size());
    return true;
  }
  return false;
}

// The next digits as a number that is at least `low` and at most `high`.
bool take_number(std::string_view& text, std::size_t digits, int low, int high, int& value) {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits) return false;
  text.remove_prefix(digits);
  return value >= low && value <= high;
}

bool read_calendar(std::string_view text, std::tm& time) {
  const std::size_t size = text.size();
  if (size != 8 && size != 12 && size != 14) return false;
  if (!take_number(text, 4, 0, 9999, time.tm_year) || !take_number(text, 2, 1, 12, time.tm_mon) ||
      !take_number(text, 2, 1, 31, time.tm_mday)) {
    return false;
  }
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  if (size >= 12 &&
      (!take_number(text, 2, 0, 23, time.tm_hour) || !take_number(text, 2, 0, 59, time.tm_min))) {
    return false;
  }
  return size < 14 || take_number(text, 2, 0, 61, time.tm_sec);
}

}  // namespace

Result<SigningTime> parse_signing_time(std::string_view text) {
  const bool utc = take_utc(text);
  std::tm time{};
  if (!read_calendar(text, time)) {
    return fail(Errc::kInvalid, "not a time; YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS is expected");
  }
  const std::time_t seconds = utc ? ::timegm(&time) : std::mktime(&time);
  if (seconds <= 0) return fail(Errc::kInvalid, "a time before 1970");
  return SigningTime(std::chrono::seconds(seconds));
}

std::string format_signing_time(SigningTime time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm local{};
  std::string text(32, '\0');
  if (::localtime_r(&seconds, &local) == nullptr) return fmt::format("{}", seconds);
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &local));
  return text;
}

}  // namespace shed::ssh
