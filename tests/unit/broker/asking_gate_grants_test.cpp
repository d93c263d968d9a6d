// What a person's answer is remembered for, and who shares a question.
#include "approval_fixture.h"
#include "shed/broker/asking_gate.h"

namespace shed::broker {
namespace {

using namespace testing;

TEST_CASE("an answer's scope and time are remembered, and the record says so") {
  const auto [scope, ttl, kept, kept_ttl] =
      GENERATE(table<std::string, std::string, std::string, std::string>({
          {"per-session", "30m", "per-session", "30m"},
          {"per-shed", "90s", "per-shed", "1m30s"},
          {"per-session", "", "per-session", "4h"},
          {"per-session", "100h", "per-session", "4h"},
          {"per-shed", "soon", "per-request", ""},
          {"per-shed", "-1h", "per-request", ""},
          {"per-shed", "0", "per-request", ""},
          {"per-request", "1h", "per-request", ""},
          {"forever", "1h", "", ""},
          {"", "1h", "", ""},
      }));
  CAPTURE(scope, ttl);
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  approver.answer(approver.asked(), "approve", scope, ttl);
  CHECK((*first)->approved);
  CHECK((*first)->scope == kept);
  CHECK((*first)->ttl == kept_ttl);
  const bool is_kept = !kept_ttl.empty();
  CHECK(fixture.grants.size() == (is_kept ? 1 : 0));
  const auto second = fixture.decide();
  CHECK(second->done() == is_kept);
  if (!is_kept) return;
  CHECK((*second)->approved);
  CHECK((*second)->method == "cached");
  CHECK((*second)->decided_by == "me");
  CHECK((*second)->scope == kept);
}

TEST_CASE("a ttl that is no text is none that counts") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  approver.send(fmt::format(
      R"({{"type":"approval_response","request_id":"{}","decision":"approve","scope":"per-shed","ttl":3600}})",
      approver.asked()));
  CHECK((*decision)->approved);
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("where the configuration says per-request, no yes is remembered") {
  ApprovalFixture fixture(asking(Scope::kPerRequest));
  Approver approver = fixture.connect();
  const auto decision = fixture.decide();
  approver.answer(approver.asked(), "approve", "per-shed", "1h");
  CHECK((*decision)->scope == "per-request");
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("a grant answers also when no approver is there") {
  ApprovalFixture fixture;
  {
    Approver approver = fixture.connect();
    const auto decision = fixture.decide();
    approver.answer(approver.asked(), "approve", "per-session", "1h");
    CHECK(decision->done());
  }
  CHECK((**fixture.decide()).approved);
  fixture.pass(1h);
  check_denied(*fixture.decide(), kNobody);
}

TEST_CASE("one question is asked for all that want the same, and a grant answers them all") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  const auto second = fixture.decide();
  const auto third = fixture.decide();
  approver.answer(approver.asked(), "approve", "per-session");
  CHECK((*first)->method == "shed-desktop");
  CHECK((*second)->method == "cached");
  CHECK((*third)->approved);
}

TEST_CASE("a yes for one request is not for the next: it is asked then") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  const auto second = fixture.decide();
  approver.answer(approver.asked());
  CHECK((*first)->approved);
  CHECK_FALSE(second->done());
  approver.answer(approver.asked(), "deny");
  check_denied(*second, "me said no");
}

TEST_CASE("a no is for all that want the same") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  const auto second = fixture.decide();
  approver.answer(approver.asked(), "deny");
  check_denied(*first, "me said no");
  check_denied(*second, "me said no");
  CHECK(approver.lines("approval_request").empty());
}

TEST_CASE("another key, another guest or another subject is another question") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  ApprovalQuestion other_key = login_question();
  other_key.key = "SHA256:other";
  const auto first = fixture.decide();
  const auto second = fixture.decide(other_key);
  const auto third = fixture.decide(login_question("api"));
  const auto fourth = fixture.decide(login_question("web", "git commit"));
  CHECK(approver.lines("approval_request").size() == 4);
}

TEST_CASE("who joined later has its own time to the end") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  fixture.pass(10s);
  approver.send(R"({"type":"pong"})");
  const auto second = fixture.decide();
  CHECK(approver.lines("approval_request").size() == 1);
  fixture.pass(15s);
  approver.send(R"({"type":"pong"})");
  check_denied(*first, kTooLate);
  CHECK(member(approver.line("approval_request"), "expires_at") == "2026-03-31T15:04:40.000Z");
  fixture.pass(10s);
  REQUIRE(second->done());
  CHECK_FALSE((*second)->approved);
}

TEST_CASE("when the one that asked is given up, the next one asks") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto first = fixture.decide();
  const auto second = fixture.decide();
  (void)approver.asked();
  first->drop();
  approver.answer(approver.asked());
  CHECK((*second)->approved);
}

TEST_CASE("one guest's requests that wait for the same answer are bounded") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  std::vector<std::unique_ptr<ApprovalFixture::Running>> open;
  for (int i = 0; i <= 64; ++i) open.push_back(fixture.decide());
  check_denied(*fixture.decide(), "64 requests of this guest wait already");
  CHECK_FALSE(open.back()->done());
}

TEST_CASE("a question that waits does not delay another guest's answer") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const auto slow = fixture.decide();
  (void)approver.asked();
  const auto quick = fixture.decide(login_question("api"));
  approver.answer(approver.asked());
  CHECK((*quick)->approved);
  CHECK_FALSE(slow->done());
}

TEST_CASE("ending a guest's rights denies what it waits for, and no other guest's") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  fixture.grants.add(asked_for(login_question("web", "git commit")), Scope::kPerSession, 1h, "me");
  fixture.grants.add(asked_for(login_question("api", "git commit")), Scope::kPerSession, 1h, "me");
  const auto mine = fixture.decide();
  const auto joined = fixture.decide();
  const auto other = fixture.decide(login_question("api"));
  CHECK(fixture.gate.end("", "web", "revoked") == 1);
  check_denied(*mine, "revoked");
  check_denied(*joined, "revoked");
  CHECK_FALSE(other->done());
  CHECK(fixture.gate.end("", "", "paused") == 1);
  check_denied(*other, "paused");
}

TEST_CASE("ending what all guests on one server have leaves the others what they have") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  ApprovalQuestion elsewhere = login_question("web", "git commit");
  elsewhere.server = "elsewhere";
  fixture.grants.add(asked_for(login_question("web", "git commit")), Scope::kPerSession, 1h, "me");
  fixture.grants.add(asked_for(elsewhere), Scope::kPerSession, 1h, "me");
  CHECK(fixture.gate.end("elsewhere", "", "paused") == 1);
  CHECK(fixture.grants.size() == 1);
}

TEST_CASE("a locked screen ends grants, and leaves questions to who comes back") {
  ApprovalFixture fixture;
  const Approver approver = fixture.connect();
  fixture.grants.add(asked_for(login_question("web", "git commit")), Scope::kPerSession, 1h, "me");
  const auto open = fixture.decide();
  fixture.gate.end_all("the screen was locked");
  CHECK(fixture.grants.size() == 0);
  CHECK_FALSE(open->done());
}

}  // namespace
}  // namespace shed::broker
