#include "shed/base/clock.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "shed/base/file.h"
#include "shed/base/json.h"
#include "support/fake_clock.h"

namespace shed {
namespace {

WallTime at(std::int64_t unix_seconds) { return WallTime(std::chrono::seconds(unix_seconds)); }

// The first time in a profile file, as the file has it but for quotes and white space.
std::string_view time_in(std::string_view ini) {
  constexpr std::string_view kSpace = " \t\"";
  std::string_view value = ini.substr(ini.find('=') + 1);
  value = value.substr(0, value.find('\n'));
  value.remove_prefix(std::min(value.find_first_not_of(kSpace), value.size()));
  return value.substr(0, value.find_last_not_of(kSpace) + 1);
}

TEST_CASE("the system clock's steady time does not go back") {
  const SteadyTime before = system_clock().now();
  CHECK(system_clock().now() >= before);
}

TEST_CASE("a fake clock moves both times only when it is told to") {
  FakeClock clock;
  const auto steady = clock.now();
  const auto wall = clock.wall();
  CHECK(clock.now() == steady);
  clock.advance(Millis(1500));
  CHECK(clock.now() - steady == Millis(1500));
  CHECK(clock.wall() - wall == Millis(1500));
}

TEST_CASE("a time is written in whole seconds") {
  CHECK(format_rfc3339(at(0)) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(at(1000000000)) == "2001-09-09T01:46:40Z");
  CHECK(format_rfc3339(at(4071049445) + Millis(999)) == "2099-01-02T15:04:05Z");
}

TEST_CASE("a time is written with milliseconds") {
  CHECK(format_rfc3339_millis(at(4071049445) + Millis(7)) == "2099-01-02T15:04:05.007Z");
  CHECK(format_rfc3339_millis(at(0)) == "1970-01-01T00:00:00.000Z");
}

TEST_CASE("a time before 1970 is rounded down") {
  CHECK(format_rfc3339(at(0) - Millis(1)) == "1969-12-31T23:59:59Z");
  CHECK(format_rfc3339_millis(at(0) - Millis(1)) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("a time is read in every form") {
  const auto text =
      GENERATE(as<std::string_view>(), "2099-01-02T15:04:05Z", "2099-01-02t15:04:05z", "2099-01-02 15:04:05Z",
               "2099-01-02T17:04:05+02:00", "2099-01-02T17:04:05+0200", "2099-01-02T10:04:05-05:00",
               "2099-01-02T15:04:05-00:00", "2099-01-01T15:34:05-23:30", "2099-01-02T15:04:05.0Z");
  CAPTURE(text);
  CHECK(parse_rfc3339(text).value() == at(4071049445));
}

TEST_CASE("the fraction of a time is kept") {
  CHECK(parse_rfc3339("2099-01-02T15:04:05.123Z").value() == at(4071049445) + Millis(123));
  CHECK(parse_rfc3339("2099-01-02T15:04:05.5Z").value() == at(4071049445) + Millis(500));
  CHECK(parse_rfc3339("2099-01-02T15:04:05.0000000009999999999Z").value() == at(4071049445));
}

TEST_CASE("the calendar is known") {
  CHECK(parse_rfc3339("2096-02-29T15:04:05Z").value() == at(3981366245));
  CHECK(parse_rfc3339("2000-02-29T00:00:00Z").has_value());
  CHECK_FALSE(parse_rfc3339("2100-02-29T00:00:00Z").has_value());
}

TEST_CASE("what is no time of the calendar is refused") {
  const auto text = GENERATE(
      as<std::string_view>(), "", "not-a-time", "2099-01-02", "2099-01-02T15:04:05", "2099-01-02T15:04:05.Z",
      "2099-01-02T15:04:05,5Z", "2099-01-02T15:04:60Z", "2099-01-02T15:60:05Z", "2099-01-02T24:00:00Z",
      "2099-02-30T15:04:05Z", "2099-04-31T15:04:05Z", "2099-02-29T15:04:05Z", "2099-00-02T15:04:05Z",
      "2099-13-02T15:04:05Z", "2099-01-00T15:04:05Z", "12345-01-02T15:04:05Z", "99-01-02T15:04:05Z",
      "2099-1-2T15:04:05Z", "2099-01-02T15:04:05Z ", " 2099-01-02T15:04:05Z", "2099-01-02T15:04:05ZZ",
      "2099-01-02T15:04:05+24:00", "2099-01-02T15:04:05+02:60", "2099-01-02T15:04:05+2",
      "2099-01-02T15:04:05+02", "2099-01-02_15:04:05Z", "+099-01-02T15:04:05Z", "-099-01-02T15:04:05Z");
  CAPTURE(text);
  const auto time = parse_rfc3339(text);
  REQUIRE_FALSE(time);
  CHECK(time.error().code() == Errc::kInvalid);
}

TEST_CASE("a time that the clock cannot hold is refused") {
  CHECK_FALSE(parse_rfc3339("0000-01-01T00:00:00Z").has_value());
  CHECK_FALSE(parse_rfc3339("9999-12-31T23:59:59Z").has_value());
}

TEST_CASE("a time of unreasonable length is refused") {
  CHECK_FALSE(parse_rfc3339("2099-01-02T15:04:05." + std::string(100, '1') + "Z").has_value());
}

TEST_CASE("times are read as the shared vectors say") {
  const std::string path = SHED_FIXTURES "/aws_expiry.json";
  if (!std::filesystem::exists(path)) {
    WARN("the shared vectors are not here: " << path);
    return;
  }
  JsonDocument document;
  const JsonValue root = document.parse(read_file(path, 1 << 20).value()).value();
  int checked = 0;
  for (const JsonValue& vector : root["expiry_vectors"].elements()) {
    const std::string_view name = vector["name"].string_or("");
    // These two are about finding the key, not about the time.
    if (name == "missing_key" || name == "missing_profile") continue;
    CAPTURE(name);
    const auto time = parse_rfc3339(time_in(vector["ini"].string_or("")));
    REQUIRE(time.has_value() == !vector["expected_unix"].is_null());
    if (time)
      CHECK(std::chrono::floor<std::chrono::seconds>(*time) == at(*vector["expected_unix"].integer()));
    ++checked;
  }
  CHECK(checked >= 20);
  for (const JsonValue& vector : root["literal_z_vectors"].elements()) {
    CHECK(format_rfc3339(at(*vector["unix"].integer())) == vector["expected"].string_or(""));
  }
}

TEST_CASE("durations are read as Go writes them") {
  const auto [text, millis] = GENERATE(table<std::string_view, std::int64_t>({
      {"0", 0},
      {"-0", 0},
      {"0s", 0},
      {"90s", 90'000},
      {"1h30m", 5'400'000},
      {"500ms", 500},
      {"1.5h", 5'400'000},
      {"-5s", -5'000},
      {"+5s", 5'000},
      {".5s", 500},
      {"1.s", 1'000},
      {"1m0.25s", 60'250},
      {"1500us", 1},
      {"3000\u00b5s", 3},
      {"3000\u03bcs", 3},
      {"1000000ns", 1},
      {"0.1h", 360'000},
      {"1s1s", 2'000},
      {"2562047h", 9'223'369'200'000},
  }));
  CAPTURE(text);
  CHECK(parse_duration(text).value() == Millis(millis));
}

TEST_CASE("a text without a number and unit each is no duration") {
  const auto text = GENERATE(as<std::string_view>(), "", "-", "+", "5", "1.5", "s", ".s", "1d", "1 s", " 1s",
                             "1s ", "1h-5m", "--1s", "1S", "1h30", "1e3s", "1.2.3s", "00", "3000000h",
                             "9223372036854775808ns", "9999999999999999999999999s", "2562047h48m");
  CAPTURE(text);
  const auto duration = parse_duration(text);
  REQUIRE_FALSE(duration);
  CHECK(duration.error().code() == Errc::kInvalid);
}

TEST_CASE("durations are written short") {
  const auto [millis, text] = GENERATE(table<std::int64_t, std::string_view>({
      {0, "0s"},
      {500, "500ms"},
      {1'000, "1s"},
      {1'500, "1.5s"},
      {90'000, "1m30s"},
      {60'000, "1m"},
      {5'400'000, "1h30m"},
      {25'000, "25s"},
      {3'600'000, "1h"},
      {3'600'001, "1h0.001s"},
      {-5'000, "-5s"},
      {360'000'000, "100h"},
      {60'250, "1m0.25s"},
      {3'601'000, "1h1s"},
  }));
  CHECK(format_duration(Millis(millis)) == text);
}

TEST_CASE("what is written as a duration is read as the same") {
  for (const std::int64_t millis : {1, 999, 1'001, 61'000, 3'599'999, 86'400'000, -1}) {
    CHECK(parse_duration(format_duration(Millis(millis))).value() == Millis(millis));
  }
}

TEST_CASE("the shortest and longest durations can be written") {
  CHECK(format_duration(Millis::max()) == "2562047788015h12m55.807s");
  CHECK(format_duration(Millis::min()) == "-2562047788015h12m55.808s");
}

}  // namespace
}  // namespace shed
