#include "shed/ssh/signing_time.h"

#include <catch2/catch.hpp>

#include <ctime>
#include <optional>

#include "support/environment_variable.h"

namespace shed::ssh {
namespace {

// The process' time zone while this lives.
class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    variable_.emplace("TZ", name);
    ::tzset();
  }
  ~TimeZone() {
    variable_.reset();
    ::tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;

 private:
  std::optional<EnvironmentVariable> variable_;
};

long long seconds(std::string_view text) {
  INFO(text);
  const auto time = parse_signing_time(text);
  REQUIRE(time);
  return time->time_since_epoch().count();
}

TEST_CASE("dates and times with Z are in UTC") {
  const TimeZone zone("XYZ-5");
  CHECK(seconds("20260331Z") == 1774915200);
  CHECK(seconds("202603311504Z") == 1774969440);
  CHECK(seconds("20260331150405Z") == 1774969445);
  CHECK(seconds("20260331150405z") == 1774969445);
  CHECK(seconds("20260331150405UTC") == 1774969445);
  CHECK(seconds("99991231235959Z") == 253402300799);
}

TEST_CASE("dates and times without Z are local, without daylight saving time") {
  // Five hours east of Greenwich.
  const TimeZone zone("XYZ-5");
  CHECK(seconds("20260331") == 1774915200 - 5 * 3600);
  CHECK(seconds("20260331150405") == 1774969445 - 5 * 3600);
  const TimeZone berlin("CET-1CEST,M3.5.0,M10.5.0/3");
  CHECK(seconds("20260701000000") == seconds("20260701000000Z") - 3600);
}

TEST_CASE("a day that its month does not have is one of the next month") {
  CHECK(seconds("20260230Z") == seconds("20260302Z"));
}

TEST_CASE("what is no time is refused") {
  for (const char* text : {"",
                           "Z",
                           "UTC",
                           "2026",
                           "202603",
                           "2026033",
                           "202603311",
                           "2026033115Z",
                           "20261301Z",
                           "20260032Z",
                           "20260001Z",
                           "20260331240000Z",
                           "20260331156000Z",
                           "20260331150062Z",
                           "2026-03-31",
                           "2026033a",
                           "+2026033",
                           " 2026033",
                           "20260331150405 Z",
                           "20260331150405ZZ",
                           "forever",
                           "19700101Z",
                           "19691231Z"}) {
    INFO(text);
    const auto time = parse_signing_time(text);
    REQUIRE_FALSE(time);
    CHECK(time.error().code() == Errc::kInvalid);
  }
}

TEST_CASE("a time is written in the local time zone") {
  const TimeZone zone("XYZ-5");
  CHECK(format_signing_time(SigningTime(std::chrono::seconds(1774969445))) == "2026-03-31T20:04:05");
}

}  // namespace
}  // namespace shed::ssh
