#include "shed/broker/aws_relay.h"

#include "aws_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

CredentialRefusal refusal_of(net::Running<CredentialAnswer>& running) {
  REQUIRE(running.done());
  REQUIRE_FALSE(*running);
  return (*running).error();
}
CredentialRefusal refusal_of(FakeHost& host) {
  auto answer = host.get();
  return refusal_of(answer);
}

std::string error(std::string_view code, std::string_view reason_code, std::string_view reason,
                  Retry retry = Retry::kNo) {
  return error_payload("credential request failed", code, reason_code, reason, retry);
}

TEST_CASE("a host that is alive and slow is waited for by who can wait, and said to be slow to the others") {
  FakeHost host;
  host.answers.erase("get_credentials");
  auto endpoint = host.get();
  host.server.pass(HostRequests::kPatience);
  host.server.pass(AwsRelay::kRequestLimit);
  REQUIRE(endpoint.done());
  CHECK((*endpoint).error().code == "TIMEOUT");
  CHECK((*endpoint).error().hint == "ask again; the host agent's log says what takes so long");
  AwsRelay patient(host.server.loop, host.publisher, AwsRelay::kPatientLimit);
  net::Running<CredentialAnswer> one_shot(host.server.loop, patient.get());
  host.server.pass(HostRequests::kPatience);
  host.server.pass(AwsRelay::kRequestLimit);
  CHECK_FALSE(one_shot.done());
  host.server.pass(AwsRelay::kPatientLimit);
  CHECK(one_shot.done());
}

TEST_CASE("credentials are asked on the bus and handed over as they came") {
  FakeHost host;
  auto answer = host.get();
  REQUIRE(*answer);
  CHECK((*answer)->view().secret_access_key == kSecretKey);
  CHECK((*answer)->view().expiration == host.server.clock.wall() + 1h);
  CHECK(host.last_body ==
        R"({"namespace":"aws-credentials","type":"request","payload":{"operation":"get_credentials"}})");
}

TEST_CASE("nothing is kept: each request is one on the bus") {
  FakeHost host;
  for (int i = 0; i < 3; ++i) CHECK(host.get()->has_value());
  CHECK(host.operations == std::vector<std::string>(3, "get_credentials"));
}

TEST_CASE("credentials without an end are told to end soon, so that the client asks again") {
  FakeHost host;
  host.answers["get_credentials"] = credentials_payload("");
  auto answer = host.get();
  REQUIRE(*answer);
  CHECK((*answer)->view().expiration == host.server.clock.wall() + 15min);
}

TEST_CASE("credentials that have expired are not handed over") {
  FakeHost host;
  host.answers["get_credentials"] = credentials_payload("2026-03-31T15:04:05Z");
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 503);
  CHECK(refusal.code == "EXPIRED");
  CHECK(refusal.message ==
        "the host's credentials have expired at 2026-03-31T15:04:05Z, and it is 2026-03-31T15:04:05Z");
}

TEST_CASE("an answer that is none is a 503, and no value of it is quoted") {
  FakeHost host;
  const std::string payload =
      GENERATE(as<std::string>(), "null", "[]", R"({"access_key_id":"secret"})", R"({"code":7})");
  host.answers["get_credentials"] = payload;
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 503);
  CHECK(refusal.code == "BAD_ANSWER");
  CHECK(refusal.text().find("secret\"") == std::string::npos);
}

TEST_CASE("a refusal of STS is a 403 with its code and the cause") {
  FakeHost host;
  host.answers["get_credentials"] = error("ASSUME_ROLE_FAILED", "AccessDenied", "not authorized");
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 403);
  CHECK(refusal.code == "AccessDenied");
  CHECK(refusal.error == "credential request failed");
  CHECK(refusal.message == "credential request failed: not authorized");
}

TEST_CASE("what may work later is a 503") {
  FakeHost host;
  host.answers["get_credentials"] =
      error("ASSUME_ROLE_FAILED", "Throttling", "asked too often", Retry::kLater);
  CHECK(refusal_of(host).status == 503);
  CHECK(refusal_of(host).code == "Throttling");
}

TEST_CASE("a guest that asks too often is a 429, which no client asks again at once") {
  FakeHost host;
  host.answers["get_credentials"] =
      error("INTERNAL_ERROR", "RATE_LIMITED", "again in 12 s; limits.aws in extensions.yaml", Retry::kLater);
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 429);
  CHECK_THAT(refusal.message, Catch::Contains("again in 12 s"));
  CHECK_FALSE(refusal.retry_after);
}

TEST_CASE("when to ask again is what the host says, where that makes sense") {
  FakeHost host;
  const auto [said, taken] = GENERATE(table<std::string, int>(
      {{"1", 1}, {"12", 12}, {"3600", 3600}, {"3601", 0}, {"0", 0}, {"-5", 0}, {"1.5", 0}, {"\"12\"", 0}}));
  host.answers["get_credentials"] = fmt::format(
      R"({{"error":"e","code":"INTERNAL_ERROR","reason_code":"RATE_LIMITED","retryable":true,"retry_after_s":{}}})",
      said);
  CHECK(refusal_of(host).retry_after.value_or(0s) == std::chrono::seconds(taken));
}

TEST_CASE("a host that cannot do its work is a 503") {
  FakeHost host;
  host.answers["get_credentials"] =
      R"({"error":"too many requests at once","code":"INTERNAL_ERROR","reason_code":"RATE_LIMITED"})";
  CHECK(refusal_of(host).status == 503);
  CHECK(refusal_of(host).code == "RATE_LIMITED");
}

TEST_CASE("a role that is not configured is a 403 with its own code") {
  FakeHost host;
  host.answers["get_credentials"] = error("ROLE_NOT_FOUND", "", "");
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 403);
  CHECK(refusal.code == "ROLE_NOT_FOUND");
  CHECK(refusal.message == "credential request failed");
}

TEST_CASE("a denial is remembered for five seconds, whichever host says it") {
  FakeHost host;
  host.answers["get_credentials"] = GENERATE(
      as<std::string>(), R"({"error":"approval denied","code":"ASSUME_ROLE_FAILED"})",
      R"({"error":"no","code":"ASSUME_ROLE_FAILED","reason_code":"POLICY_DENIED","reason":"deny-all"})",
      R"({"error":"no","code":"ASSUME_ROLE_FAILED","reason_code":"APPROVAL_DENIED"})");
  const CredentialRefusal first = refusal_of(host);
  CHECK(first.status == 403);
  host.server.pass(4'999ms);
  CHECK(refusal_of(host).message == first.message);
  CHECK(host.asked("get_credentials") == 1);
  host.server.pass(1ms);
  host.answers["get_credentials"] = credentials_payload("2026-03-31T16:04:05Z");
  CHECK(host.get()->has_value());
}

TEST_CASE("any other refusal is not remembered") {
  FakeHost host;
  host.answers["get_credentials"] = error("ROLE_NOT_FOUND", "ROLE_NOT_FOUND", "");
  (void)refusal_of(host);
  (void)refusal_of(host);
  CHECK(host.asked("get_credentials") == 2);
}

TEST_CASE("a host that does not answer is given up after three seconds, with the command that starts it") {
  FakeHost host;
  host.answers.clear();
  auto answer = host.get();
  host.server.pass(250ms);
  host.server.pass(2'749ms);
  CHECK_FALSE(answer.done());
  host.server.pass(1ms);
  const CredentialRefusal refusal = refusal_of(answer);
  CHECK(refusal.status == 503);
  CHECK(refusal.code == "TIMEOUT");
  CHECK(refusal.message ==
        "aws-credentials get_credentials request timed out — shed-host-agent may not be running");
  CHECK_THAT(refusal.hint, Catch::Contains("shed-ext host"));
}

TEST_CASE("a host that waits for a person is waited for") {
  FakeHost host;
  host.answers.erase("get_credentials");
  host.answers["ping"] = R"({"status":"ok","request_timeout_ms":25000})";
  auto answer = host.get();
  host.server.pass(250ms);
  host.server.pass(25'749ms);
  CHECK_FALSE(answer.done());
  host.server.pass(1ms);
  CHECK(refusal_of(answer).code == "TIMEOUT");
}

TEST_CASE("a host that answers at once is not pinged") {
  FakeHost host;
  CHECK(host.get()->has_value());
  host.server.pass(1s);
  CHECK(host.asked("ping") == 0);
}

TEST_CASE("a bus that is away or has nobody behind it is told at once") {
  FakeHost host;
  host.status = GENERATE(503, 504, 429, 500);
  host.answers["get_credentials"] =
      R"({"error":{"code":"NO_CONNECTION","message":"the host is not connected"}})";
  const CredentialRefusal refusal = refusal_of(host);
  CHECK(refusal.status == 503);
  CHECK_FALSE(refusal.code.empty());
  CHECK_THAT(refusal.text(), Catch::Contains("shed-ext host"));
}

TEST_CASE("a host that is away is said once at the start, with the remedy") {
  FakeHost host;
  host.status = 503;
  async::Scope scope(host.server.loop);
  scope.spawn(host.relay.greet());
  host.server.loop.poll();
  CHECK(host.log.count("the host agent does not answer: ") == 1);
  CHECK(host.log.count("shed-ext host") == 1);
}

TEST_CASE("a host that is there is not worth a line") {
  FakeHost host;
  async::Scope scope(host.server.loop);
  scope.spawn(host.relay.greet());
  host.server.loop.poll();
  CHECK(host.asked("ping") == 1);
  CHECK(host.log.lines.empty());
}

TEST_CASE("a request that is dropped leaves nothing behind") {
  FakeHost host;
  host.answers.erase("get_credentials");
  auto answer = host.get();
  answer.drop();
  host.answers["get_credentials"] = credentials_payload("2026-03-31T16:04:05Z");
  CHECK(host.get()->has_value());
}

}  // namespace
}  // namespace shed::broker
