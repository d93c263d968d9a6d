// A person decides: answers, and everything that is none.
#include "shed/broker/asking_gate.h"

#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr std::string_view kLeft = "the approver left before it answered; run shed-ext approve";

TEST_CASE("without an approver it is denied at once, with the remedy, and without the place of the socket") {
  ApprovalFixture fixture;
  check_denied(*fixture.decide(), kNobody);
}

TEST_CASE("guests are told to wait where a person is asked") {
  const ApprovalFixture fixture;
  CHECK(fixture.gate.may_wait(Namespace::kSsh));
  const ApprovalFixture other{Approval{}};
  CHECK_FALSE(other.gate.may_wait(Namespace::kSsh));
}

TEST_CASE("other policies decide as before, without a question") {
  Approval approval;
  approval.omitted = false;
  approval.policy = GENERATE(Policy::kApproveAll, Policy::kDenyAll, Policy::kBiometrics);
  ApprovalFixture fixture(approval);
  Approver approver = fixture.connect();
  auto decision = fixture.decide();
  REQUIRE(decision->done());
  CHECK((*decision)->approved == (approval.policy == Policy::kApproveAll));
  CHECK(approver.lines("approval_request").empty());
}

TEST_CASE("the question says what is known") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  std::string line = approver.line("approval_request");
  line.erase(line.find(R"("id":")") + 6, 36);
  CHECK(line ==
        R"({"type":"approval_request","v":2,"id":"","ts":"2026-03-31T15:04:05.000Z","namespace":"ssh-agent",)"
        R"("op":"sign","server":"mini2","shed":"web","detail":"SSH sign request",)"
        R"("expires_at":"2026-03-31T15:04:30.000Z","key_type":"ssh-ed25519","key":"SHA256:key",)"
        R"("key_comment":"me@desk","subject":"login git@github.com","proof":"verified","count":1,)"
        R"("request_id":"0197-a"})");
}

TEST_CASE("what is not known is left out of the question") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  ApprovalQuestion question;
  question.ns = Namespace::kDocker;
  question.op = "get";
  question.shed = "web";
  question.detail = "ghcr.io";
  const auto decision = fixture.decide(question);
  CHECK_THAT(approver.line("approval_request"),
             Catch::EndsWith(R"("namespace":"docker-credentials","op":"get","shed":"web","detail":"ghcr.io",)"
                             R"("expires_at":"2026-03-31T15:04:30.000Z","count":1})"));
}

TEST_CASE("text that is too long is cut where that can be seen") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  ApprovalQuestion question = login_question();
  question.key_comment = std::string(100'000, 'x');
  const auto decision = fixture.decide(question);
  const std::string half(256, 'x');
  CHECK(member(approver.line("approval_request"), "key_comment") == half + "…" + half);
}

TEST_CASE("an approver sees the host behind a user with an endless name") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision =
      fixture.decide(login_question("web", "login " + std::string(600, 'x') + "@evil.example"));
  const std::string subject = member(approver.line("approval_request"), "subject");
  CHECK_THAT(subject, Catch::StartsWith("login x") && Catch::EndsWith("x@evil.example"));
}

TEST_CASE("the question says how often this guest has asked for the same") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  for (int times = 1; times <= 3; ++times) {
    const auto decision = fixture.decide();
    const std::string line = approver.line("approval_request");
    CHECK_THAT(line, Catch::Contains(fmt::format("\"count\":{},", times)));
    approver.answer(member(line, "id"), "deny");
    CHECK(decision->done());
  }
  const auto other = fixture.decide(login_question("api"));
  CHECK_THAT(approver.line("approval_request"), Catch::Contains("\"count\":1,"));
}

TEST_CASE("a yes is for this request alone, unless it says more") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  CHECK_FALSE(decision->done());
  approver.answer(approver.asked());
  REQUIRE(decision->done());
  CHECK((*decision)->approved);
  CHECK((*decision)->method == "shed-desktop");
  CHECK((*decision)->decided_by == "me");
  CHECK((*decision)->scope.empty());
  CHECK((*decision)->ttl.empty());
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("anything but approve is a no") {
  const std::string decision =
      GENERATE(as<std::string>{}, "deny", "", "Approve", "approved", "yes", "approve ");
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto running = fixture.decide();
  approver.answer(approver.asked(), decision, "per-shed", "1h");
  check_denied(*running, "me said no");
  CHECK((**running).decided_by == "me");
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("a question without an answer is denied when its time is over") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  fixture.pass(24'999ms);
  CHECK_FALSE(decision->done());
  fixture.pass(1ms);
  check_denied(*decision, kTooLate);
  approver.answer(approver.asked());
  CHECK(fixture.channel.stray_answers() == 1);
}

TEST_CASE("a wall clock that jumps changes nothing about the time to answer") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  fixture.clock.set_wall(fixture.clock.wall() + 24h);
  fixture.loop.poll();
  CHECK_FALSE(decision->done());
  approver.answer(approver.asked());
  CHECK((*decision)->approved);
}

TEST_CASE("an approver that vanishes denies what it was asked") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  approver.peer.reset();
  check_denied(*decision, kLeft);
  CHECK(fixture.channel.open_questions() == 0);
}

TEST_CASE("an approver that sends garbage denies what it was asked") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  approver.send("yes please");
  check_denied(*decision, kLeft);
}

TEST_CASE("an approver that answers no ping denies what it was asked") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  fixture.pass(10s);
  fixture.pass(10s);
  const auto decision = fixture.decide();
  fixture.pass(10s);
  check_denied(*decision, kLeft);
}

TEST_CASE("the questions of a superseded approver are denied, and new ones are the newer one's") {
  ApprovalFixture fixture;
  Approver older = fixture.connect();
  const auto first = fixture.decide();
  Approver newer = fixture.connect();
  check_denied(*first, "another approver took over before this was answered; try again");
  const auto second = fixture.decide();
  CHECK(older.lines("hello_ack").size() == 2);
  newer.answer(newer.asked());
  CHECK((*second)->approved);
}

TEST_CASE("a superseded approver cannot answer") {
  ApprovalFixture fixture;
  Approver older = fixture.connect();
  for (int i = 0; i < 2'000; ++i) fixture.channel.publish({});  // it does not read, so it is not closed yet
  Approver newer = fixture.connect();
  const auto decision = fixture.decide();
  older.answer(newer.asked());
  CHECK_FALSE(decision->done());
}

TEST_CASE("an answer for a question that was not asked is dropped, counted and logged once") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  for (int i = 0; i < 1'000; ++i) approver.answer(fmt::format("none {}", i));
  CHECK_FALSE(decision->done());
  CHECK(fixture.channel.stray_answers() == 1'000);
  CHECK(fixture.log.count("an answer to a question that is not open is dropped") == 1);
  CHECK(fixture.channel.has_approver());
}

TEST_CASE("the first answer counts, a second one is dropped") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  const std::string id = approver.asked();
  approver.send(fmt::format(R"({{"type":"approval_response","request_id":"{0}","decision":"deny"}})"
                            "\n"
                            R"({{"type":"approval_response","request_id":"{0}","decision":"approve"}})",
                            id));
  check_denied(*decision, "the approver said no");
  CHECK(fixture.channel.stray_answers() == 1);
}

TEST_CASE("a request that is given up takes its question back") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  CHECK(fixture.channel.open_questions() == 1);
  decision->drop();
  CHECK(fixture.channel.open_questions() == 0);
  approver.answer(approver.asked(), "approve", "per-shed");
  CHECK(fixture.channel.stray_answers() == 1);
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("one guest has 8 questions open at most, and takes no other guest's place") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  std::vector<std::unique_ptr<ApprovalFixture::Running>> open;
  for (int i = 0; i < 8; ++i)
    open.push_back(fixture.decide(login_question("web", fmt::format("login a{}", i))));
  check_denied(*fixture.decide(), "8 questions of this guest wait already; answer them first");
  const auto other = fixture.decide(login_question("api"));
  CHECK_FALSE(other->done());
  CHECK(approver.lines("approval_request").size() == 9);
}

TEST_CASE("128 questions are open at most; one more is denied at once") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  std::vector<std::unique_ptr<ApprovalFixture::Running>> open;
  for (int i = 0; i < 128; ++i) open.push_back(fixture.decide(login_question(fmt::format("web{}", i))));
  check_denied(*fixture.decide(), "128 questions wait already; answer them first");
  CHECK(approver.lines("approval_request").size() == 128);
}

TEST_CASE("an approver that reads no questions is dropped, and they are denied") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  ApprovalQuestion question = login_question();
  question.subject = question.detail = question.key_comment = std::string(1'000, '\x01');
  for (int i = 0; i < 1'000 && fixture.channel.has_approver(); ++i) {
    question.shed = fmt::format("web{}", i);
    const auto decision = fixture.decide(question);
    decision->drop();
  }
  CHECK_FALSE(fixture.channel.has_approver());
  CHECK(fixture.log.count("it does not read") == 1);
}

}  // namespace
}  // namespace shed::broker
