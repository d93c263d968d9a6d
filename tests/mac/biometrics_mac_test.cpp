// The file that is compiled for macOS, against a system that the tests play.
#include "broker/biometrics_mac.h"

#include "support/mac/stand_in.h"
#include "unit/broker/approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr long kUserCancel = -2;

class TouchIdFixture {
 public:
  using Running = net::Running<Person::Answer>;

  TouchIdFixture() { system.cannot = 0; }
  std::unique_ptr<Running> ask(ApprovalQuestion question = login_question()) {
    return std::make_unique<Running>(loop, person->ask(std::move(question), 1, 25s));
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  mac::System system;
  FakeClock clock;
  async::Loop loop{clock};
  LogLines log;
  std::unique_ptr<Person> person = make_touch_id(loop, false);
};

TEST_CASE_METHOD(TouchIdFixture, "Touch ID is asked with the question in its dialogue") {
  const auto asking = ask();
  CHECK(person->method() == "touchid");
  REQUIRE(system.asked.size() == 1);
  CHECK(system.asked[0].policy == 1);
  CHECK(system.asked[0].reason ==
        "let a sandbox use a credential.\nGuest web on mini2 wants to sign: login git@github.com\n"
        "The host is proven.\nKey: me@desk, ssh-ed25519 SHA256:key");
  CHECK_FALSE(asking->done());
  system.answer(true);
  REQUIRE(asking->done());
  CHECK((*asking)->approved);
  CHECK((*asking)->scope_as_configured);
  CHECK((*asking)->reason.empty());
}

TEST_CASE_METHOD(TouchIdFixture, "biometrics takes no password: there is no button for it") {
  const auto asking = ask();
  CHECK(system.asked.at(0).fallback_title.empty());
}

TEST_CASE_METHOD(TouchIdFixture, "biometrics-or-password takes both, and leaves the button") {
  person = make_touch_id(loop, true);
  const auto asking = ask();
  CHECK(system.asked.at(0).policy == 2);
  CHECK(system.asked.at(0).fallback_title == "not set");
}

TEST_CASE_METHOD(TouchIdFixture, "each question has a context of its own, which ends with it") {
  for (int i = 1; i <= 2; ++i) {
    const auto asking = ask();
    CHECK(system.contexts == 1);
    system.answer(true);
    CHECK((*asking)->approved);
    CHECK(system.contexts == 0);
  }
  CHECK(system.asked.size() == 2);
}

TEST_CASE_METHOD(TouchIdFixture, "whatever is no success denies, with its reason") {
  const auto [code, reason] = GENERATE(table<long, std::string>({
      {-1, "nobody was recognised"},
      {-2, "the person at the dialogue said no"},
      {-3, "the password was chosen, which policy biometrics does not take; choose biometrics-or-password"},
      {-4, "the system took the dialogue away; try again"},
      {-5, "this account has no password; set one in System Settings"},
      {-6, "Touch ID is not there or not allowed; choose biometrics-or-password or another policy"},
      {-7, "Touch ID knows no finger; add one in System Settings"},
      {-8, "Touch ID is locked after too many attempts; log in with the password to unlock it"},
      {-9, "the question was taken back"},
      {-1004, "there is no session with a screen to ask in"},
      {-77, "LocalAuthentication failed with error -77"},
      {0, "LocalAuthentication failed with error 0"},
  }));
  const auto asking = ask();
  system.answer(false, code);
  REQUIRE(asking->done());
  CHECK_FALSE((*asking)->approved);
  CHECK_FALSE((*asking)->scope_as_configured);
  CHECK((*asking)->reason == reason);
}

TEST_CASE_METHOD(TouchIdFixture,
                 "where it cannot be asked it is denied at once, with the reason, and nothing is shown") {
  system.cannot = -7;
  CHECK(person->why_nobody() == "Touch ID knows no finger; add one in System Settings");
  const auto asking = ask();
  REQUIRE(asking->done());
  CHECK((*asking)->reason == person->why_nobody());
  CHECK(system.asked.empty());
  system.without_error = true;
  CHECK_FALSE(person->why_nobody().empty());
  CHECK(system.contexts == 0);
}

TEST_CASE_METHOD(TouchIdFixture,
                 "a question without an answer is denied when its time is over, and its dialogue goes") {
  const auto asking = ask();
  pass(24'999ms);
  CHECK_FALSE(asking->done());
  pass(1ms);
  REQUIRE(asking->done());
  CHECK((*asking)->timed_out);
  CHECK_FALSE((*asking)->approved);
  CHECK(system.contexts == 0);
  CHECK(system.invalidated > 0);
}

TEST_CASE_METHOD(TouchIdFixture, "an answer that comes too late is for nobody") {
  const auto first = ask();
  pass(25s);
  CHECK((*first)->timed_out);
  system.answer(true);
  loop.poll();
  CHECK_FALSE((*first)->approved);
}

TEST_CASE_METHOD(TouchIdFixture, "a question that is given up closes its dialogue; its answer goes nowhere") {
  const auto asking = ask();
  const int before = system.invalidated;
  asking->drop();
  CHECK(system.contexts == 0);
  CHECK(system.invalidated == before + 1);
  system.answer(true);
  loop.poll();
}

TEST_CASE_METHOD(TouchIdFixture, "a system that lets go of the question without an answer denies it") {
  const auto asking = ask();
  system.forget();
  REQUIRE(asking->done());
  CHECK_FALSE((*asking)->approved);
  CHECK((*asking)->reason == "LocalAuthentication has not answered");
}

TEST_CASE_METHOD(TouchIdFixture, "one dialogue is open at a time") {
  const auto first = ask();
  const auto second = ask(login_question("api"));
  CHECK(system.asked.size() == 1);
  system.answer(false, kUserCancel);
  CHECK(first->done());
  CHECK(system.asked.size() == 2);
  system.answer(true);
  CHECK((*second)->approved);
}

TEST_CASE_METHOD(TouchIdFixture, "one touch is remembered in the configured scope, for its time") {
  Approval approval = asking(Scope::kPerShed);
  approval.policy = Policy::kBiometrics;
  approval.session_ttl = 10min;
  Grants grants{clock};
  ApprovalChannel channel{loop, grants, {}};
  AskingGate gate(loop, {channel, nullptr, person.get(), nullptr}, grants, {approval, approval, approval},
                  25s);
  const auto decide = [&] {
    return std::make_unique<net::Running<Decision>>(loop, gate.decide(login_question()));
  };
  const auto first = decide();
  system.answer(true);
  CHECK((*first)->method == "touchid");
  CHECK((*first)->scope == "per-shed");
  CHECK((*first)->ttl == "10m");
  CHECK((*decide())->method == "cached");
  pass(10min);
  const auto later = decide();
  CHECK_FALSE(later->done());
  CHECK(system.asked.size() == 2);
}

TEST_CASE_METHOD(TouchIdFixture, "a locked screen is noticed within a second, each time") {
  const auto lock = make_mac_screen_lock(loop);
  CHECK(lock->why_not().empty());
  int locked = 0;
  {
    async::Scope watching(loop);
    watching.spawn(lock->watch([&locked] { ++locked; }));
    loop.poll();
    CHECK(system.observers == 1);
    system.post("com.apple.screenIsUnlocked");
    pass(1s);
    CHECK(locked == 0);
    for (int i = 1; i <= 2; ++i) {
      system.post("com.apple.screenIsLocked");
      pass(1s);
      CHECK(locked == i);
    }
    pass(10s);
    CHECK(locked == 2);
  }
  CHECK(system.observers == 0);
}

}  // namespace
}  // namespace shed::broker
