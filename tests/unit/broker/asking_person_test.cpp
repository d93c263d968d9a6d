// The gate with a person who is not on the approval channel: a prompt, a sensor.
#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

class FakePerson : public Person {
 public:
  explicit FakePerson(async::Loop& loop) : answered(loop) {}
  std::string_view method() const override { return "touchid"; }
  std::string why_nobody() const override { return {}; }
  async::Task<Answer> ask(ApprovalQuestion question, std::uint64_t, Millis) override {
    questions.push_back(std::move(question));
    auto wait = answered.wait();
    co_await wait;
    ++given;
    co_return answer;
  }
  std::vector<ApprovalQuestion> questions;
  int given = 0;
  Answer answer;
  async::Event answered;
};

class PersonFixture {
 public:
  using Running = net::Running<Decision>;
  explicit PersonFixture(Policy policy, Scope scope = Scope::kPerSession) {
    Approval approval = asking(scope);
    approval.policy = policy;
    approval.session_ttl = 1h;
    gate.emplace(loop, AskingGate::Persons{channel, &prompt, &finger, &password}, grants,
                 AskingGate::Approvals{approval, approval, approval}, 25s);
  }
  std::unique_ptr<Running> decide(ApprovalQuestion question = login_question()) {
    return std::make_unique<Running>(loop, gate->decide(std::move(question)));
  }
  void say_yes() {
    for (FakePerson* person : {&prompt, &finger, &password}) {
      person->answer.approved = true;
      person->answer.scope_as_configured = true;
      person->answered.set();
    }
    loop.poll();
  }
  FakeClock clock;
  async::Loop loop{clock};
  LogLines log;
  Grants grants{clock};
  ApprovalChannel channel{loop, grants, {}};
  FakePerson prompt{loop}, finger{loop}, password{loop};
  std::optional<AskingGate> gate;
};

TEST_CASE("each policy asks its own person, and guests are told to wait") {
  const auto [policy, which] = GENERATE(table<Policy, int>(
      {{Policy::kPrompt, 0}, {Policy::kBiometrics, 1}, {Policy::kBiometricsOrPassword, 2}}));
  PersonFixture fixture(policy);
  CHECK(fixture.gate->may_wait(Namespace::kSsh));
  const auto decision = fixture.decide();
  const FakePerson* persons[] = {&fixture.prompt, &fixture.finger, &fixture.password};
  for (int i = 0; i < 3; ++i) CHECK(persons[i]->questions.size() == (i == which ? 1 : 0));
}

TEST_CASE("a yes without a scope of its own has the configured one, for its time") {
  const auto [scope, kept] = GENERATE(table<Scope, std::string>({{Scope::kPerRequest, "per-request"},
                                                                 {Scope::kPerSession, "per-session"},
                                                                 {Scope::kPerShed, "per-shed"}}));
  PersonFixture fixture(Policy::kBiometrics, scope);
  fixture.say_yes();
  const auto decision = fixture.decide();
  CHECK((*decision)->approved);
  CHECK((*decision)->method == "touchid");
  CHECK((*decision)->scope == kept);
  CHECK((*decision)->ttl == (scope == Scope::kPerRequest ? "" : "1h"));
  const auto again = fixture.decide();
  const auto other = fixture.decide(login_question("web", "git commit"));
  CHECK((*again)->method == (scope == Scope::kPerRequest ? "touchid" : "cached"));
  CHECK((*other)->method == (scope == Scope::kPerShed ? "cached" : "touchid"));
  fixture.clock.advance(1h);
  fixture.loop.poll();
  CHECK((*fixture.decide())->method == "touchid");
}

TEST_CASE("a yes to what was not shown whole is remembered in no scope") {
  PersonFixture fixture(Policy::kPrompt, Scope::kPerShed);
  fixture.say_yes();
  fixture.prompt.answer.scope_as_configured = false;
  CHECK((*fixture.decide())->approved);
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("a denial says how it was asked") {
  PersonFixture fixture(Policy::kBiometrics);
  fixture.finger.answer.reason = "no finger";
  fixture.finger.answered.set();
  const auto decision = fixture.decide();
  CHECK_FALSE((*decision)->approved);
  CHECK((*decision)->method == "touchid");
  CHECK((*decision)->reason == "no finger");
  CHECK((*decision)->reason_code == "APPROVAL_DENIED");
}

TEST_CASE("ending a guest's rights takes its question back from whoever is asked") {
  PersonFixture fixture(Policy::kPrompt);
  const auto mine = fixture.decide();
  const auto other = fixture.decide(login_question("api"));
  (void)fixture.gate->end("", "web", "revoked");
  REQUIRE(mine->done());
  CHECK((*mine)->reason == "revoked");
  CHECK_FALSE(other->done());
  fixture.say_yes();
  CHECK(fixture.prompt.given == 1);
  CHECK((*other)->approved);
}

TEST_CASE("a yes that comes with the end of the guest's rights is none") {
  PersonFixture fixture(Policy::kPrompt);
  const auto mine = fixture.decide();
  fixture.prompt.answer.approved = true;
  fixture.prompt.answer.scope_as_configured = true;
  fixture.prompt.answered.set();
  (void)fixture.gate->end("", "web", "revoked");
  REQUIRE(mine->done());
  CHECK_FALSE((*mine)->approved);
  CHECK(fixture.grants.size() == 0);
}

TEST_CASE("a rule's ask goes to the policy's person, else to the approver") {
  PersonFixture fixture(Policy::kPrompt);
  net::Running<Decision> asked(fixture.loop, fixture.gate->ask(login_question()));
  CHECK(fixture.prompt.questions.size() == 1);
  PersonFixture open(Policy::kApproveAll);
  net::Running<Decision> other(open.loop, open.gate->ask(login_question()));
  REQUIRE(other.done());
  CHECK(other->reason == "no approver is connected; run shed-ext approve");
}

TEST_CASE("a policy whose person is not there denies") {
  PersonFixture fixture(Policy::kBiometrics);
  Approval approval = asking();
  approval.policy = Policy::kBiometrics;
  AskingGate gate(fixture.loop, {fixture.channel}, fixture.grants, {approval, approval, approval}, 25s);
  CHECK_FALSE(gate.may_wait(Namespace::kSsh));
  net::Running<Decision> decision(fixture.loop, gate.decide(login_question()));
  REQUIRE(decision.done());
  CHECK_FALSE(decision->approved);
  CHECK(decision->reason_code == "POLICY_DENIED");
}

}  // namespace
}  // namespace shed::broker
