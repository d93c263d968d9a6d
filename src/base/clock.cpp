#include "shed/base/clock.h"

#include <fmt/format.h>

namespace shed {
namespace {

class SystemClock : public Clock {
 public:
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

std::string format_time(WallTime time, bool with_millis) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time - day));
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (with_millis) fmt::format_to(std::back_inserter(text), ".{:03}", clock.subseconds().count());
  text.push_back('Z');
  return text;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string format_rfc3339(WallTime time) { return format_time(time, false); }
std::string format_rfc3339_millis(WallTime time) { return format_time(time, true); }

}  // namespace shed
