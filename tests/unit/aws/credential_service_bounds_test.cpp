// Passthrough, and what happens at the bounds.
#include <catch2/catch.hpp>

#include "service_fixture.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

struct PassthroughFixture : ServiceFixture {
  PassthroughFixture() {
    grant.shed = "web";
    grant.profile = "work";
    grant.passthrough = true;
    sources.credentials.session_token = Secret("source-token");
  }
  Grant grant;
};

TEST_CASE_METHOD(PassthroughFixture, "passthrough hands out the profile's own session, read anew each time") {
  sources.credentials.expiration = clock.wall() + 1h;
  CHECK(key(grant) == "ASIAEXAMPLE");
  sources.credentials.access_key_id = "ASIAOTHER";
  CHECK(key(grant) == "ASIAOTHER");
  CHECK(sources.asked.size() == 2);
  CHECK(calls() == 0);
  CHECK_FALSE(service->cached_until(grant));
}

TEST_CASE_METHOD(PassthroughFixture, "passthrough asks once for all who ask meanwhile") {
  sources.gate.close();
  const Asked first = ask(grant);
  const Asked second = ask(grant);
  sources.gate.open();
  loop.poll();
  CHECK(key_of(first) == "ASIAEXAMPLE");
  CHECK(key_of(second) == "ASIAEXAMPLE");
  CHECK(sources.asked.size() == 1);
}

TEST_CASE_METHOD(PassthroughFixture, "long-lived keys are never handed out") {
  sources.credentials.session_token = Secret();
  const Asked asked = ask(grant);
  CHECK(key_of(asked) == "LongLivedKeys");
  const Failure failure = (**asked).error();
  CHECK(failure.kind == Kind::kSource);
  CHECK(failure.message == "the host hands out no long-lived keys");
  CHECK(failure.detail ==
        "the profile has long-lived keys, or keys without a session token, which never leave this machine; "
        "use mode "
        "assume-role, or a profile with session credentials");
}

TEST_CASE_METHOD(PassthroughFixture, "long-lived keys with a stray token are not handed out either") {
  sources.credentials.access_key_id = "AKIAOTHER";
  CHECK(key_of(ask(grant)) == "LongLivedKeys");
}

TEST_CASE_METHOD(PassthroughFixture, "a session that a policy should limit is not passed through") {
  SECTION("a policy") { grant.policy = "{}"; }
  SECTION("policies by ARN") { grant.policy_arns = {"arn:aws:iam::aws:policy/ReadOnlyAccess"}; }
  const Asked asked = ask(grant);
  CHECK(key_of(asked) == "ValidationError");
  CHECK((**asked).error().kind == Kind::kRefused);
  CHECK((**asked).error().detail.find("passthrough cannot apply it") != std::string::npos);
  CHECK(sources.asked.empty());
}

TEST_CASE_METHOD(PassthroughFixture, "a profile's session that is over is not handed out") {
  sources.credentials.expiration = clock.wall();
  const Asked asked = ask(grant);
  CHECK(key_of(asked) == "SourceExpired");
  CHECK((**asked).error().detail.find("expired at 2026-03-31T15:04:05Z") != std::string::npos);
}

TEST_CASE_METHOD(PassthroughFixture, "a failure of passthrough is remembered as well") {
  sources.failure = failure_of(Kind::kSource, "SourceProfile");
  CHECK(key(grant) == "SourceProfile");
  CHECK(key(grant) == "SourceProfile");
  CHECK(sources.asked.size() == 1);
  sources.failure.reset();
  pass(5s);
  CHECK(key(grant) == "ASIAEXAMPLE");
}

TEST_CASE_METHOD(ServiceFixture, "beyond its bound the cache forgets what was used longest ago") {
  for (std::size_t i = 0; i < CredentialService::kMaxEntries; ++i) {
    REQUIRE(key(grant_for(fmt::format("shed{}", i))) == fmt::format("ASIA{}", i + 1));
    clock.advance(1ms);
  }
  CHECK(key(grant_for("shed0")) == "ASIA1");  // used again: shed1 is the oldest now
  clock.advance(1ms);
  CHECK(key(grant_for("more")) == "ASIA4097");
  CHECK(service->cached_until(grant_for("shed0")));
  CHECK_FALSE(service->cached_until(grant_for("shed1")));
  CHECK(service->cached_until(grant_for("shed2")));
  CHECK(key(grant_for("shed1")) == "ASIA4098");
}

TEST_CASE_METHOD(ServiceFixture, "at most 32 fetches run at a time, and the others follow") {
  sts.gate.close();
  std::vector<Asked> askers;
  for (int i = 0; i < 40; ++i) askers.push_back(ask(grant_for(fmt::format("shed{}", i))));
  CHECK(sts.running == CredentialService::kMaxFetches);
  sts.gate.open();
  loop.poll();
  CHECK(sts.most_running == CredentialService::kMaxFetches);
  for (const Asked& asker : askers) CHECK(key_of(asker).starts_with("ASIA"));
}

TEST_CASE_METHOD(ServiceFixture, "who finds no free place within 30 seconds is told to come back") {
  sts.gate.close();
  std::vector<Asked> askers;
  for (int i = 0; i < 33; ++i) askers.push_back(ask(grant_for(fmt::format("shed{}", i))));
  pass(29'999ms);
  CHECK(key_of(askers.back()) == "nothing yet");
  pass(1ms);
  CHECK(key_of(askers.back()) == "Busy");
  CHECK((**askers.back()).error().kind == Kind::kUnavailable);
  CHECK(key_of(askers.front()) == "nothing yet");
}

TEST_CASE_METHOD(ServiceFixture, "when all that is kept is being fetched, one more is told to come back") {
  sources.gate.close();
  std::vector<Asked> askers;
  for (std::size_t i = 0; i < CredentialService::kMaxEntries; ++i) {
    askers.push_back(ask(grant_for(fmt::format("shed{}", i))));
  }
  CHECK(key(grant_for("more")) == "Busy");
}

}  // namespace
}  // namespace shed::aws
