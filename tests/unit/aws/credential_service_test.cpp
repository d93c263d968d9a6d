#include "shed/aws/credential_service.h"

#include <catch2/catch.hpp>

#include "service_fixture.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

TEST_CASE_METHOD(ServiceFixture, "200 guests that ask at the same time are one call to STS") {
  sts.gate.close();
  std::vector<Asked> askers;
  for (int i = 0; i < 200; ++i) askers.push_back(ask());
  CHECK(key_of(askers.back()) == "nothing yet");
  sts.gate.open();
  loop.poll();
  for (const Asked& asker : askers) CHECK(key_of(asker) == "ASIA1");
  CHECK(calls() == 1);
  CHECK(sources.asked.size() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "a thousand requests of an hour's session are one call") {
  for (int i = 0; i < 1000; ++i) REQUIRE(key() == "ASIA1");
  CHECK(calls() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "an asker that goes away does not stop the fetch") {
  sts.gate.close();
  const Asked first = ask();
  const Asked second = ask();
  first->drop();
  sts.gate.open();
  loop.poll();
  CHECK(key_of(second) == "ASIA1");
  CHECK(calls() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "a fetch that nobody waits for any more serves the next who asks") {
  sts.gate.close();
  ask()->drop();
  sts.gate.open();
  loop.poll();
  CHECK(key() == "ASIA1");
  CHECK(calls() == 1);
}

TEST_CASE_METHOD(ServiceFixture, "grants that differ in anything share no session") {
  CHECK(key() == "ASIA1");
  std::vector<Grant> others(8, grant_for("web"));
  others[0].server = "mini2";
  others[1].shed = "db";
  others[2].role_arn += "2";
  others[3].policy = "{}";
  others[4].policy_arns = {"arn:aws:iam::aws:policy/ReadOnlyAccess"};
  others[5].tags = {{"team", "web"}};
  others[6].source_identity = "me";
  others[7].external_id = "42";
  for (std::size_t i = 0; i < others.size(); ++i) CHECK(key(others[i]) == fmt::format("ASIA{}", i + 2));
}

TEST_CASE_METHOD(ServiceFixture, "the role is asked for with all that the grant says") {
  Grant grant = grant_for("web");
  grant.server = "mini2";
  grant.session_duration = 2h;
  grant.external_id = "42";
  grant.source_identity = "me";
  grant.policy = "{}";
  grant.policy_arns = {"arn:aws:iam::aws:policy/ReadOnlyAccess"};
  grant.tags = {{"team", "web"}};
  CHECK(key(grant) == "ASIA1");
  const AssumeRoleRequest& request = sts.requests.at(0);
  CHECK(sources.asked == std::vector<std::string>{"work"});
  CHECK(request.role_arn == grant.role_arn);
  CHECK(request.session_name == "shed-mini2-web-1774969445");
  CHECK(request.duration == 2h);
  CHECK(request.external_id == "42");
  CHECK(request.source_identity == "me");
  CHECK(request.policy == "{}");
  CHECK(request.policy_arns == grant.policy_arns);
  CHECK(request.tags == grant.tags);
}

TEST_CASE_METHOD(ServiceFixture, "sheds of one profile that start at the same time ask it once") {
  sources.gate.close();
  const Asked web = ask(grant_for("web"));
  const Asked db = ask(grant_for("db"));
  CHECK(sources.asked.size() == 1);
  sources.gate.open();
  loop.poll();
  CHECK(key_of(web) == "ASIA1");
  CHECK(key_of(db) == "ASIA2");
  CHECK(key(grant_for("cache")) == "ASIA3");
  CHECK(sources.asked.size() == 2);
}

TEST_CASE_METHOD(ServiceFixture, "a failure is remembered for 5 seconds") {
  sts.failure = failure_of(Kind::kRefused, "AccessDenied");
  CHECK(key() == "AccessDenied");
  sts.failure.reset();
  pass(4'999ms);
  CHECK(key() == "AccessDenied");
  CHECK(calls() == 1);
  pass(1ms);
  CHECK(key() == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "all who wait for a fetch that fails are told why") {
  sources.gate.close();
  const Asked first = ask();
  const Asked second = ask();
  sources.failure = failure_of(Kind::kSource, "SourceProfile");
  sources.gate.open();
  loop.poll();
  for (const Asked* asked : {&first, &second}) {
    REQUIRE((*asked)->done());
    const Outcome<SharedCredentials>& outcome = ***asked;
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().kind == Kind::kSource);
    CHECK(outcome.error().message == "for the guest");
    CHECK(outcome.error().detail == "for the log");
  }
}

TEST_CASE_METHOD(ServiceFixture, "one shed's failure is not another's") {
  sts.failure = failure_of(Kind::kRefused, "AccessDenied");
  CHECK(key() == "AccessDenied");
  sts.failure.reset();
  CHECK(key(grant_for("db")) == "ASIA2");
}

TEST_CASE_METHOD(ServiceFixture, "credentials without an expiration are served and not kept") {
  sts.endless = true;
  CHECK(key() == "ASIA1");
  CHECK(key() == "ASIA2");
  CHECK_FALSE(service->cached_until(grant_for("web")));
}

TEST_CASE_METHOD(ServiceFixture, "a session that is over when it comes is a bad answer") {
  sts.lasts = -1s;
  CHECK(key() == "BadAnswer");
  const Asked asked = ask();
  CHECK((**asked).error().detail.find("this machine's clock") != std::string::npos);
}

TEST_CASE_METHOD(ServiceFixture, "what is kept is told until it ends") {
  CHECK_FALSE(service->cached_until(grant_for("web")));
  CHECK(key() == "ASIA1");
  CHECK(service->cached_until(grant_for("web")) == clock.wall() + 1h);
  CHECK_FALSE(service->cached_until(grant_for("db")));
  sts.failure = failure_of(Kind::kRefused, "AccessDenied");
  pass(1h);
  CHECK_FALSE(service->cached_until(grant_for("web")));
}

TEST_CASE_METHOD(ServiceFixture, "a session is 12 hours at most and 15 minutes at least, said once") {
  Grant grant = grant_for("web");
  grant.session_duration = 13h;
  grant.refresh_before = 5min;
  CHECK(key(grant) == "ASIA1");
  CHECK(sts.requests.at(0).duration == 12h);
  pass(12h);
  CHECK(key(grant) == "ASIA2");
  CHECK(log.count("aws: web: session_duration 13h becomes 12h: STS takes 15m to 12h") == 1);
  grant.session_duration = 1min;
  CHECK(key(grant) == "ASIA3");
  CHECK(sts.requests.at(2).duration == 15min);
}

TEST_CASE_METHOD(ServiceFixture, "a role assumed with session credentials lasts an hour, said once") {
  sources.credentials.session_token = Secret("source-token");
  Grant grant = grant_for("web");
  grant.session_duration = 4h;
  CHECK(key(grant) == "ASIA1");
  CHECK(sts.requests.at(0).duration == 1h);
  pass(1h);
  CHECK(key(grant) == "ASIA2");
  CHECK(log.count("session_duration 4h becomes 1h: STS gives no more") == 1);
}

TEST_CASE_METHOD(ServiceFixture, "a session of the configured length is not warned of") {
  Grant grant = grant_for("web");
  grant.session_duration = 12h;
  CHECK(key(grant) == "ASIA1");
  CHECK(log.lines.empty());
}

TEST_CASE_METHOD(ServiceFixture, "the service may end while it fetches and refreshes") {
  CHECK(key() == "ASIA1");
  sts.gate.close();
  ask(grant_for("db"))->drop();
  service.reset();
  loop.poll();
  CHECK(calls() == 2);
}

}  // namespace
}  // namespace shed::aws
