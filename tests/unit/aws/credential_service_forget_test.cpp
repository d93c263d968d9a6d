// What is kept for a guest is forgotten on demand: nothing of it is served again.
#include <catch2/catch.hpp>

#include "service_fixture.h"

namespace shed::aws {
namespace {

Grant on(std::string server, std::string shed) {
  Grant grant = grant_for(std::move(shed));
  grant.server = std::move(server);
  return grant;
}

TEST_CASE_METHOD(ServiceFixture, "a session that is forgotten is fetched anew") {
  CHECK(key() == "ASIA1");
  CHECK(service->forget("", "web") == 1);
  CHECK_FALSE(service->cached_until(grant_for("web")));
  CHECK(key() == "ASIA2");
  CHECK(service->cached_until(grant_for("web")));
}

TEST_CASE_METHOD(ServiceFixture, "the sessions of the named guest are forgotten, and no other's") {
  const std::vector<Grant> all = {on("mini1", "web"), on("mini2", "web"), on("mini2", "db"), on("", "web")};
  for (const Grant& grant : all) REQUIRE(key(grant).starts_with("ASIA"));
  const auto kept = [&] {
    std::string text;
    for (const Grant& grant : all) text += service->cached_until(grant) ? 'y' : 'n';
    return text;
  };
  SECTION("a guest of one server") {
    CHECK(service->forget("mini2", "web") == 1);
    CHECK(kept() == "ynyy");
  }
  SECTION("a guest of every server") {
    CHECK(service->forget("", "web") == 3);
    CHECK(kept() == "nnyn");
  }
  SECTION("all guests of a server") {
    CHECK(service->forget("mini2", "") == 2);
    CHECK(kept() == "ynny");
  }
  SECTION("everybody") {
    CHECK(service->forget("", "") == 4);
    CHECK(kept() == "nnnn");
  }
  SECTION("a part of a name is no name") {
    CHECK(service->forget("", "we") == 0);
    CHECK(service->forget("mini", "") == 0);
    CHECK(kept() == "yyyy");
  }
}

TEST_CASE_METHOD(ServiceFixture, "all roles of a guest are forgotten") {
  Grant other = grant_for("web");
  other.role_arn += "2";
  CHECK(key() == "ASIA1");
  CHECK(key(other) == "ASIA2");
  CHECK(service->forget("", "web") == 2);
  CHECK(key() == "ASIA3");
  CHECK(key(other) == "ASIA4");
}

TEST_CASE_METHOD(ServiceFixture,
                 "what is being fetched when it is forgotten goes to who waits, and is not kept") {
  sts.gate.close();
  const Asked waiting = ask();
  CHECK(service->forget("", "web") == 0);
  const Asked later = ask();
  sts.gate.open();
  loop.poll();
  CHECK(key_of(waiting) == "ASIA1");
  CHECK(key_of(later) == "ASIA2");
  CHECK(key() == "ASIA2");
  CHECK(calls() == 2);
}

TEST_CASE_METHOD(ServiceFixture, "a session that is forgotten while it is refreshed does not come back") {
  CHECK(key() == "ASIA1");
  sts.gate.close();
  pass_slowly(45min);
  REQUIRE(calls() == 2);
  CHECK(service->forget("", "web") == 1);
  sts.gate.open();
  loop.poll();
  CHECK_FALSE(service->cached_until(grant_for("web")));
  CHECK(key() == "ASIA3");
}

TEST_CASE_METHOD(ServiceFixture, "nobody refreshes what is forgotten") {
  CHECK(key() == "ASIA1");
  CHECK(service->forget("", "") == 1);
  pass_slowly(90min);
  CHECK(calls() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "a session that is over does not count as forgotten") {
  CHECK(key() == "ASIA1");
  clock.advance(2h);
  CHECK(service->forget("", "web") == 0);
}

TEST_CASE_METHOD(ServiceFixture, "a failure is forgotten as well: the next to ask is not told the old one") {
  sts.failure = failure_of(Failure::Kind::kUnavailable, "Down");
  CHECK(key() == "Down");
  sts.failure.reset();
  CHECK(service->forget("", "web") == 0);
  CHECK(key() == "ASIA2");
}

}  // namespace
}  // namespace shed::aws
