#include "shed/broker/approval.h"

#include "shed/broker/payload.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

Approval approval(Policy policy) {
  Approval approval;
  approval.policy = policy;
  approval.omitted = false;
  return approval;
}

// What a gate decides that has this policy for one namespace, and another one for the rest.
Decision decide(Namespace ns, const Approval& rule, Policy rest = Policy::kApproveAll) {
  FakeClock clock;
  async::Loop loop(clock);
  const auto rule_for = [&](Namespace which) { return which == ns ? rule : approval(rest); };
  PolicyGate gate(rule_for(Namespace::kSsh), rule_for(Namespace::kAws), rule_for(Namespace::kDocker));
  ApprovalQuestion question;
  question.ns = ns;
  net::Running<Decision> decision(loop, gate.decide(std::move(question)));
  REQUIRE(decision.done());
  CHECK_FALSE(gate.may_wait(ns));
  return *decision;
}

TEST_CASE("approve-all approves, for its namespace alone") {
  const Namespace ns = GENERATE(Namespace::kSsh, Namespace::kAws, Namespace::kDocker);
  const Decision decision = decide(ns, approval(Policy::kApproveAll), Policy::kDenyAll);
  CHECK(decision.approved);
  CHECK(decision.method == "approve-all");
  CHECK(decision.reason.empty());
  CHECK(decision.reason_code.empty());
  CHECK(decision.decided_by.empty());
}

TEST_CASE("deny-all denies and names the line that says so") {
  const Decision decision = decide(Namespace::kAws, approval(Policy::kDenyAll));
  CHECK_FALSE(decision.approved);
  CHECK(decision.method == "deny-all");
  CHECK(decision.reason == "aws.approval.policy is deny-all");
  CHECK(decision.reason_code == "POLICY_DENIED");
}

TEST_CASE("a policy that was left out denies and names the line to add") {
  const Decision decision = decide(Namespace::kSsh, Approval{});
  CHECK_FALSE(decision.approved);
  CHECK(decision.method == "deny-all");
  CHECK(decision.reason ==
        "ssh.approval.policy is not set, so deny-all: add \"ssh: { approval: { policy: approve-all } }\" to "
        "extensions.yaml");
  CHECK(decision.reason_code == "POLICY_DENIED");
}

TEST_CASE("a policy that needs a person denies, since nobody is there") {
  const auto [policy, name] = GENERATE(table<Policy, std::string>({
      {Policy::kShedDesktop, "shed-desktop"},
      {Policy::kBiometrics, "biometrics"},
      {Policy::kBiometricsOrPassword, "biometrics-or-password"},
  }));
  const Decision decision = decide(Namespace::kSsh, approval(policy));
  CHECK_FALSE(decision.approved);
  CHECK(decision.method == name);
  CHECK(decision.reason == "ssh.approval.policy is " + name + ", and nobody is there to ask");
  CHECK(decision.reason_code == "POLICY_DENIED");
}

TEST_CASE("a person whom a rule wants asked is not there, whatever the policy is") {
  FakeClock clock;
  async::Loop loop(clock);
  const Approval all = approval(Policy::kApproveAll);
  PolicyGate gate(all, all, all);
  net::Running<Decision> decision(loop, gate.ask(ApprovalQuestion{}));
  REQUIRE(decision.done());
  CHECK_FALSE(decision->approved);
  CHECK(decision->reason_code == "APPROVAL_DENIED");
  CHECK(decision->reason == "a person has to be asked, and nobody is there to ask");
}

TEST_CASE("an error payload has text and code, and what else is known") {
  CHECK(error_payload("no", "SIGN_FAILED") == R"({"error":"no","code":"SIGN_FAILED"})");
  CHECK(error_payload("no", "SIGN_FAILED", "POLICY_DENIED") ==
        R"({"error":"no","code":"SIGN_FAILED","reason_code":"POLICY_DENIED"})");
  CHECK(error_payload("no", "SIGN_FAILED", "POLICY_DENIED", "why") ==
        R"({"error":"no","code":"SIGN_FAILED","reason_code":"POLICY_DENIED","reason":"why"})");
}

std::optional<PayloadError> read_error(std::string_view payload) {
  JsonDocument document;
  return error_in(document.parse(payload).value());
}

TEST_CASE("a payload is an error exactly when its code is a text that is not empty") {
  CHECK(read_error(R"({"code":"X"})"));
  CHECK_FALSE(read_error(R"({"error":"no","code":""})"));
  CHECK_FALSE(read_error(R"({"error":"no"})"));
  CHECK_FALSE(read_error(R"({"error":"no","code":7})"));
  CHECK_FALSE(read_error(R"({"error":"no","code":null})"));
  CHECK_FALSE(read_error("[]"));
  CHECK_FALSE(read_error("null"));
}

TEST_CASE("an error says of itself what the other side told") {
  CHECK(read_error(R"({"error":"no","code":"X"})")->describe() == "no (X)");
  CHECK(read_error(R"({"error":"no","code":"X","reason_code":"Y"})")->describe() == "no (Y)");
  CHECK(read_error(R"({"error":"no","code":"X","reason_code":"Y","reason":"z"})")->describe() == "no (Y): z");
  CHECK(read_error(R"({"error":"no","code":"X","reason":"not now"})")->describe() == "not now (X)");
  CHECK(read_error(R"({"error":1,"code":"X","reason_code":[],"reason":{}})")->describe() == " (X)");
}

TEST_CASE("a ping is answered with the time that a request may take, where a person may have to act") {
  CHECK(ping_request() == R"({"operation":"ping"})");
  CHECK(ping_answer(std::nullopt) == R"({"status":"ok"})");
  CHECK(ping_answer(25s) == R"({"status":"ok","request_timeout_ms":25000})");
}

TEST_CASE("an operation that is not known is named, as much of it as tells what was meant") {
  CHECK(unknown_operation("delete") == R"({"error":"unknown operation: delete","code":"INTERNAL_ERROR"})");
  CHECK(member(unknown_operation(std::string(100'000, 'x')), "error") ==
        "unknown operation: " + std::string(64, 'x'));
  CHECK(invalid_payload() == R"({"error":"invalid payload","code":"INTERNAL_ERROR"})");
}

}  // namespace
}  // namespace shed::broker
