// When the cache asks again: margins, clocks, and the refresh in the background.
#include <catch2/catch.hpp>

#include "service_fixture.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

// Makes the background stop: its refreshes fail.
Failure down() { return failure_of(Kind::kUnavailable, "Unreachable"); }

TEST_CASE_METHOD(ServiceFixture, "an hour's session is served until 20 minutes are left") {
  CHECK(key() == "ASIA1");
  pass(39min);
  CHECK(key() == "ASIA1");
  CHECK(calls() == 1);
  pass(1min);
  CHECK(key() == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "a longer margin of the configuration counts") {
  Grant grant = grant_for("web");
  grant.refresh_before = 40min;
  CHECK(key(grant) == "ASIA1");
  pass(19min);
  CHECK(key(grant) == "ASIA1");
  CHECK(calls() == 1);
  pass(1min);
  CHECK(key(grant) == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "a short session is served for half of it") {
  Grant grant = grant_for("web");
  grant.session_duration = 15min;
  CHECK(key(grant) == "ASIA1");
  pass(6min);
  CHECK(key(grant) == "ASIA1");
  CHECK(calls() == 1);
  pass(90s);
  CHECK(key(grant) == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "a margin longer than the session does not make every request a call") {
  Grant grant = grant_for("web");
  grant.refresh_before = 2h;
  CHECK(key(grant) == "ASIA1");
  pass(28min);
  CHECK(key(grant) == "ASIA1");
  CHECK(calls() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "a refresh that fails is answered with what is still valid") {
  CHECK(key() == "ASIA1");
  sts.failure = down();
  pass(59min + 59s);
  CHECK(key() == "ASIA1");
  CHECK(log.count("aws: web: not refreshed, what is there lasts until 2026-03-31T16:04:05Z") == 1);
  pass(1s);
  CHECK(key() == "Unreachable");
}

TEST_CASE_METHOD(ServiceFixture, "nobody waits longer than 2 seconds while the old session is valid") {
  CHECK(key() == "ASIA1");
  sts.gate.close();
  pass(45min);
  const Asked asked = ask();
  pass(1'999ms);
  CHECK(key_of(asked) == "nothing yet");
  pass(1ms);
  CHECK(key_of(asked) == "ASIA1");
  sts.gate.open();
  loop.poll();
  CHECK(key() == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "who waits for a session that ends meanwhile waits for the new one") {
  CHECK(key() == "ASIA1");
  sts.gate.close();
  pass(59min + 59s);
  const Asked asked = ask();
  pass(2s);
  CHECK(key_of(asked) == "nothing yet");
  sts.gate.open();
  loop.poll();
  CHECK(key_of(asked) == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "a laptop that slept through the expiry serves nothing old") {
  CHECK(key() == "ASIA1");
  sts.failure = down();
  clock.set_wall(clock.wall() + 1h);  // the steady clock stands still in its sleep
  CHECK_FALSE(service->cached_until(grant_for("web")));
  CHECK(key() == "Unreachable");
}

TEST_CASE_METHOD(ServiceFixture, "a clock that is set back makes no session longer") {
  CHECK(key() == "ASIA1");
  sts.failure = down();
  clock.set_wall(clock.wall() - 2h);
  CHECK(key() == "ASIA1");
  pass(59min + 59s);
  CHECK(key() == "ASIA1");
  pass(1s);
  CHECK(key() == "Unreachable");
}

TEST_CASE_METHOD(ServiceFixture, "a session in use is refreshed before a guest has to wait for it") {
  CHECK(key() == "ASIA1");
  pass_slowly(39min + 20s);
  CHECK(calls() == 1);
  pass_slowly(10s);
  CHECK(calls() == 2);
  CHECK(key() == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "refreshing ends one session after the last use") {
  CHECK(key() == "ASIA1");
  pass_slowly(59min);
  CHECK(calls() == 2);  // within the hour after its use
  pass_slowly(3h);
  CHECK(calls() == 2);
  CHECK_FALSE(service->cached_until(grant_for("web")));
}

TEST_CASE_METHOD(ServiceFixture, "refreshing goes on as long as somebody asks") {
  for (int i = 0; i < 12; ++i) {
    CHECK(key() != "nothing yet");
    pass_slowly(30min);
  }
  // Every 39 and a half minutes, in six hours.
  CHECK(calls() == 10);
}

TEST_CASE_METHOD(ServiceFixture, "refreshing begins again with the next use") {
  CHECK(key() == "ASIA1");
  pass_slowly(5h);
  const std::size_t before = calls();
  CHECK(key() == fmt::format("ASIA{}", before + 1));
  pass_slowly(41min);
  CHECK(calls() == before + 2);
}

TEST_CASE_METHOD(ServiceFixture, "a refresh that fails is tried again every 60 seconds while the old lasts") {
  CHECK(key() == "ASIA1");
  sts.failure = down();
  pass_slowly(39min + 30s);
  CHECK(calls() == 2);
  pass_slowly(50s);
  CHECK(calls() == 2);
  pass_slowly(10s);
  CHECK(calls() == 3);
  pass_slowly(5min);
  CHECK(calls() == 8);
  sts.failure.reset();
  pass_slowly(60s);
  CHECK(key() == "ASIA9");
}

TEST_CASE_METHOD(ServiceFixture, "a refresh that fails is not tried again when the session is over") {
  CHECK(key() == "ASIA1");
  sts.failure = down();
  pass_slowly(60min);
  const std::size_t before = calls();
  pass_slowly(2h);
  CHECK(calls() == before);
}

TEST_CASE_METHOD(ServiceFixture,
                 "sessions that STS makes shorter and shorter are not asked for all the time") {
  sts.lasts = 30s;
  Grant grant = grant_for("web");
  CHECK(key(grant) == "ASIA1");
  pass_slowly(30s, 1s);
  CHECK(calls() == 1);
}

}  // namespace
}  // namespace shed::aws
