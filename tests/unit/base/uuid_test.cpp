#include "shed/base/uuid.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "support/fake_clock.h"
#include "unit/base/allocations.h"

namespace shed {
namespace {

// RFC 9562 appendix A.6.
constexpr std::string_view kExample = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
constexpr Millis kExampleTime{1645557742000};

TEST_CASE("the time of the RFC's example is read") {
  CHECK(uuid7_time(kExample).value() == WallTime(kExampleTime));
}

TEST_CASE("a new id starts with the time and has version and variant") {
  const std::string id(make_uuid7(WallTime(kExampleTime)).view());
  CHECK(id.substr(0, 15) == "017f22e2-79b0-7");
  CHECK(id[18] == '-');
  CHECK(std::string_view("89ab").find(id[19]) != std::string_view::npos);
  CHECK(uuid7_time(id).value() == WallTime(kExampleTime));
}

TEST_CASE("ids of one millisecond differ") {
  const FakeClock clock;
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.emplace(make_uuid7(clock.wall()).view());
  CHECK(ids.size() == 1000);
}

TEST_CASE("a later millisecond sorts later") {
  FakeClock clock;
  const Uuid first = make_uuid7(clock.wall());
  clock.advance(Millis(1));
  CHECK(first.view() < make_uuid7(clock.wall()).view());
}

TEST_CASE("making an id does not allocate") {
  const FakeClock clock;
  const auto before = allocations();
  make_uuid7(clock.wall());
  CHECK(allocations() == before);
}

TEST_CASE("a time before 1970 becomes 1970") {
  CHECK(uuid7_time(make_uuid7(WallTime(Millis(-5))).view()).value() == WallTime());
}

TEST_CASE("other texts are no version 7 UUID") {
  const auto text = GENERATE(as<std::string_view>(), "", "017f22e2", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                             "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
                             "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
                             "017f22e279b0-7cc3-98c4--dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                             "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}");
  CAPTURE(text);
  const auto time = uuid7_time(text);
  REQUIRE_FALSE(time);
  CHECK(time.error().code() == Errc::kInvalid);
}

TEST_CASE("a UUID of a time that the clock cannot hold is refused") {
  const auto time = uuid7_time("ffffffff-ffff-7cc3-98c4-dc0c0c07398f");
  REQUIRE_FALSE(time);
  CHECK(time.error().code() == Errc::kInvalid);
}

}  // namespace
}  // namespace shed
