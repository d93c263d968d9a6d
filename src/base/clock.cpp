#include "shed/base/clock.h"

#include <fmt/format.h>

namespace shed {
namespace {

class SystemClock : public Clock {
 public:
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

// Writes the whole seconds, and returns the end.
char* format_seconds(WallTime time, char* out, std::size_t size) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  return fmt::format_to_n(out, size, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                          static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                          clock.hours().count(), clock.minutes().count(), clock.seconds().count())
      .out;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string format_rfc3339(WallTime time) {
  std::array<char, 32> text;
  const char* end = format_seconds(time, text.data(), text.size());
  return fmt::format("{}Z", std::string_view(text.data(), end));
}

std::string format_rfc3339_millis(WallTime time) { return std::string(TimestampText(time).view()); }

TimestampText::TimestampText(WallTime time) {
  using namespace std::chrono;
  const auto millis = floor<milliseconds>(time) - floor<seconds>(time);
  char* end = format_seconds(time, text_.data(), text_.size());
  const auto rest = static_cast<std::size_t>(text_.data() + text_.size() - end);
  end = fmt::format_to_n(end, rest, ".{:03}Z", millis.count()).out;
  length_ = static_cast<std::size_t>(end - text_.data());
}

}  // namespace shed
