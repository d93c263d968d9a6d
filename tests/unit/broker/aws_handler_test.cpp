#include "shed/broker/aws_handler.h"

#include "aws_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

struct Fixture {
  explicit Fixture(std::string log_path = {})
      : audit_path(log_path.empty() ? folder / "log/audit.log" : std::move(log_path)), audit(audit_path) {
    config.file = "/home/me/extensions.yaml";
    config.aws.level.role = std::string(kRole);
  }

  net::Running<std::string> start(std::string_view payload) {
    return net::Running<std::string>(
        loop, handler.handle({"0197-a", "aws-credentials", std::string(payload), {"web", "vz", server}}));
  }
  std::string ask(std::string_view payload) {
    auto answer = start(payload);
    REQUIRE(answer.done());
    return *answer;
  }
  std::string get() { return ask(kGetCredentialsRequest); }
  std::string record() const { return text_of_file(audit_path); }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  HostConfig config;
  FakeCredentials backend{loop};
  FakeGate gate{loop};
  std::string server = "mini2";
  std::string audit_path;
  AuditLog audit;
  AwsHandler handler{clock, config, backend, gate, audit, {"", 25s}};
};

aws::Failure failure(aws::Failure::Kind kind) {
  return {kind, "AccessDenied", "not authorized to assume the role",
          "AccessDenied, request 42: fix the trust"};
}

TEST_CASE("a guest gets the session of its role, recorded with its end") {
  Fixture fixture;
  CHECK(fixture.get() == credentials_payload("2026-03-31T16:04:05Z", "123456789012"));
  CHECK(fixture.record() ==
        R"({"ts":"2026-03-31T15:04:05Z","server":"mini2","shed":"web","ns":"aws-credentials",)"
        R"("op":"get_credentials","result":"ok","detail":"expires:16:04","approval":"approve-all",)"
        R"("subject":"arn:aws:iam::123456789012:role/dev",)"
        R"("request_id":"0197-a","duration_us":0})"
        "\n");
  CHECK(fixture.log.lines.empty());
}

TEST_CASE("credentials without an end are recorded as such") {
  Fixture fixture;
  fixture.backend.expiration.reset();
  CHECK(member(fixture.get(), "expiration").empty());
  CHECK(member(fixture.record(), "detail") == "expires:none");
}

TEST_CASE("the gate is asked about credentials with what is known") {
  Fixture fixture;
  fixture.get();
  REQUIRE(fixture.gate.questions.size() == 1);
  const ApprovalQuestion& question = fixture.gate.questions[0];
  CHECK(question.ns == Namespace::kAws);
  CHECK(question.op == "get_credentials");
  CHECK(question.server == "mini2");
  CHECK(question.shed == "web");
  CHECK(question.detail == "AWS credentials request");
}

TEST_CASE("nothing that a guest sends changes what it gets") {
  Fixture fixture;
  fixture.ask(R"({"operation":"get_credentials","role":"arn:aws:iam::1:role/admin","shed":"root",)"
              R"("server":"prod","profile":"admin","session_duration":"12h"})");
  REQUIRE(fixture.backend.grants.size() == 1);
  CHECK(fixture.backend.grants[0] == *grant_for(fixture.config, "mini2", "web"));
}

TEST_CASE("a bus cannot say that a request came through another server") {
  Fixture fixture;
  AwsHandler handler(fixture.clock, fixture.config, fixture.backend, fixture.gate, fixture.audit,
                     {"mini1", 25s});
  net::Running<std::string> answer(
      fixture.loop,
      handler.handle(
          {"0197-a", "aws-credentials", std::string(kGetCredentialsRequest), {"web", "vz", "mini2"}}));
  REQUIRE(answer.done());
  CHECK(fixture.backend.grants.at(0).server == "mini1");
  CHECK(member(fixture.record(), "server") == "mini1");
}

TEST_CASE("a guest without a role learns so, and the operator the line to add") {
  Fixture fixture;
  fixture.config.aws.level.role.reset();
  const std::string answer = fixture.get();
  CHECK(member(answer, "error") == "no role is configured for this guest");
  CHECK(member(answer, "code") == "ROLE_NOT_FOUND");
  CHECK(member(answer, "reason_code") == "ROLE_NOT_FOUND");
  CHECK(fixture.log.count(
            R"(get_credentials for web on mini2: no role is configured: add 'aws: { servers: { mini2: )"
            R"({ sheds: { web: { role: "arn:aws:iam::<account>:role/<name>" } } } } }' to )"
            R"(/home/me/extensions.yaml)") == 1);
  CHECK(member(fixture.record(), "result") == "error");
  CHECK(member(fixture.record(), "code") == "ROLE_NOT_FOUND");
  CHECK(fixture.backend.grants.empty());
  CHECK(fixture.gate.questions.empty());
}

TEST_CASE("the line to add is the single-server form where no server has a name") {
  CHECK(aws_role_line("", "web") ==
        R"(aws: { sheds: { web: { role: "arn:aws:iam::<account>:role/<name>" } } })");
}

TEST_CASE("a name that YAML would read in another way is quoted in the line to add") {
  CHECK_THAT(aws_role_line("", "a: b"), Catch::StartsWith(R"(aws: { sheds: { "a: b": { role: )"));
}

TEST_CASE("a denial has the known text and the reason, and nothing is fetched") {
  Fixture fixture;
  fixture.gate.decision = {};
  fixture.gate.decision.method = "deny-all";
  fixture.gate.decision.reason_code = "POLICY_DENIED";
  fixture.gate.decision.reason = "aws.approval.policy is deny-all";
  CHECK(fixture.get() ==
        R"({"error":"approval denied","code":"ASSUME_ROLE_FAILED","reason_code":"POLICY_DENIED",)"
        R"("reason":"aws.approval.policy is deny-all"})");
  CHECK(member(fixture.record(), "result") == "denied");
  CHECK(member(fixture.record(), "code") == "POLICY_DENIED");
  CHECK(fixture.backend.grants.empty());
  CHECK(fixture.log.count("get_credentials for web on mini2: denied: aws.approval.policy is deny-all") == 1);
}

TEST_CASE("a refusal of STS is final, its code goes to the guest, its detail stays here") {
  Fixture fixture;
  fixture.backend.failure = failure(GENERATE(aws::Failure::Kind::kRefused, aws::Failure::Kind::kSource));
  CHECK(fixture.get() ==
        R"({"error":"credential request failed","code":"ASSUME_ROLE_FAILED","reason_code":"AccessDenied",)"
        R"("reason":"not authorized to assume the role"})");
  CHECK(member(fixture.record(), "result") == "error");
  CHECK(member(fixture.record(), "code") == "AccessDenied");
  CHECK(member(fixture.record(), "reason") == "AccessDenied, request 42: fix the trust");
  CHECK(fixture.log.count("get_credentials for web on mini2: AccessDenied, request 42: fix the trust") == 1);
}

TEST_CASE("what may work later is marked so") {
  Fixture fixture;
  fixture.backend.failure =
      failure(GENERATE(aws::Failure::Kind::kThrottled, aws::Failure::Kind::kUnavailable));
  CHECK_THAT(fixture.get(), Catch::EndsWith(R"(,"retryable":true})"));
}

TEST_CASE("a failure that comes again and again is one line a minute") {
  Fixture fixture;
  fixture.backend.failure = failure(aws::Failure::Kind::kRefused);
  for (int i = 0; i < 5; ++i) fixture.get();
  CHECK(fixture.log.lines.size() == 1);
  fixture.clock.advance(60s);
  fixture.get();
  CHECK(fixture.log.count("4 more like this") == 1);
}

TEST_CASE("no secret stands in the record or the log") {
  Fixture fixture;
  fixture.get();
  fixture.backend.failure = failure(aws::Failure::Kind::kRefused);
  fixture.get();
  for (const std::string_view secret : {kSecretKey, kSessionToken}) {
    CHECK(fixture.record().find(secret) == std::string::npos);
    CHECK(fixture.log.count(secret) == 0);
  }
}

TEST_CASE("without a record there are no credentials") {
  Fixture fixture("/dev/null/audit.log");
  const std::string answer = fixture.get();
  CHECK(member(answer, "code") == "ASSUME_ROLE_FAILED");
  CHECK(member(answer, "reason_code") == "AUDIT_UNAVAILABLE");
  CHECK(answer.find(kSecretKey) == std::string::npos);
}

TEST_CASE("a request that waits delays no other") {
  Fixture fixture;
  fixture.backend.gate.reset();
  auto waiting = fixture.start(kGetCredentialsRequest);
  CHECK_FALSE(waiting.done());
  CHECK(fixture.ask(R"({"operation":"ping"})") == R"({"status":"ok"})");
  fixture.backend.gate.set();
  CHECK(waiting.done());
}

TEST_CASE("a guest that wants credentials is told to be patient where the gate may wait for a person") {
  Fixture fixture;
  fixture.gate.waits = true;
  CHECK(fixture.ask(R"({"operation":"ping"})") == R"({"status":"ok","request_timeout_ms":25000})");
  CHECK(fixture.record().empty());
}

TEST_CASE("the status names the role and the end of what is cached") {
  Fixture fixture;
  CHECK(fixture.ask(kAwsStatusRequest) == encode_aws_status(kRole, std::nullopt));
  fixture.backend.cached = fixture.clock.wall() + 1h;
  CHECK(member(fixture.ask(kAwsStatusRequest), "cached_until") == "2026-03-31T16:04:05Z");
  CHECK(fixture.backend.asked_about == grant_for(fixture.config, "mini2", "web"));
  CHECK(fixture.record().empty());
}

TEST_CASE("the status names the profile of passthrough, and no role where there is none") {
  Fixture fixture;
  fixture.config.aws.level.mode = AwsMode::kPassthrough;
  CHECK(member(fixture.ask(kAwsStatusRequest), "role") == "passthrough:default");
  fixture.config.aws.level = {};
  CHECK(fixture.ask(kAwsStatusRequest) == R"({"connected":true,"role":""})");
}

TEST_CASE("an unknown operation is refused by its name, and a payload without one") {
  Fixture fixture;
  CHECK(fixture.ask(R"({"operation":"steal"})") ==
        R"({"error":"unknown operation: steal","code":"INTERNAL_ERROR"})");
  const std::string_view payload =
      GENERATE(as<std::string_view>(), "{}", "[]", "7", "nonsense", "", R"({"operation":7})");
  CHECK(fixture.ask(payload) == R"({"error":"invalid payload","code":"INTERNAL_ERROR"})");
}

TEST_CASE("a grant has all that the configuration says about a session") {
  HostConfig config;
  config.aws.cache_refresh_before = 10min;
  config.aws.level = {std::string(kRole), std::nullopt,       2h, "id", "me", "{}",
                      {{"arn:policy"}},   AwsTags{{"a", "b"}}};
  const auto grant = grant_for(config, "mini2", "web");
  REQUIRE(grant);
  CHECK(grant->server == "mini2");
  CHECK(grant->shed == "web");
  CHECK(grant->role_arn == kRole);
  CHECK_FALSE(grant->passthrough);
  CHECK(grant->session_duration == 2h);
  CHECK(grant->refresh_before == 10min);
  CHECK(grant->external_id == "id");
  CHECK(grant->source_identity == "me");
  CHECK(grant->policy == "{}");
  CHECK(grant->policy_arns == std::vector<std::string>{"arn:policy"});
  CHECK(grant->tags == AwsTags{{"a", "b"}});
}

TEST_CASE("a profile that is not written is left to the SDKs' own order") {
  HostConfig config;
  config.aws.level.role = std::string(kRole);
  CHECK(grant_for(config, "", "web")->profile.empty());
  config.aws.source_profile_written = true;
  CHECK(grant_for(config, "", "web")->profile == "default");
}

TEST_CASE("a passthrough grant has its policies, so that it can be refused") {
  HostConfig config;
  config.aws.level.mode = AwsMode::kPassthrough;
  config.aws.sheds["web"].policy = "{}";
  config.aws.sheds["web"].policy_arns = {{"arn:policy"}};
  CHECK(grant_for(config, "", "web")->policy == "{}");
  CHECK(grant_for(config, "", "web")->policy_arns == std::vector<std::string>{"arn:policy"});
  CHECK(grant_for(config, "", "db")->policy.empty());
}

TEST_CASE("a passthrough grant has no role, even where one is configured") {
  HostConfig config;
  config.aws.level.role = std::string(kRole);
  config.aws.level.mode = AwsMode::kPassthrough;
  const auto grant = grant_for(config, "", "web");
  REQUIRE(grant);
  CHECK(grant->passthrough);
  CHECK(grant->role_arn.empty());
}

}  // namespace
}  // namespace shed::broker
