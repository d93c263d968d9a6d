#include "shed/broker/kill_switch.h"

#include "handler_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

// Works until the test lets it answer; tells when it is dropped.
class WorkingHandler : public bus::RequestHandler {
 public:
  explicit WorkingHandler(async::Loop& loop) : gate(loop) { gate.set(); }
  async::Task<std::string> handle(bus::IncomingRequest) override {
    struct InWork {
      explicit InWork(int& in_work) : count(in_work) { ++count; }
      InWork(const InWork&) = delete;
      ~InWork() { --count; }
      int& count;
    };
    const InWork work(in_work);
    ++count;
    auto wait = gate.wait();
    co_await wait;
    co_return R"({"answer":"secret"})";
  }
  int count = 0;
  int in_work = 0;
  async::Event gate;
};

struct SwitchFixture {
  std::unique_ptr<PauseGuard> guard_for(Namespace ns, WorkingHandler*& made) {
    auto next = std::make_unique<WorkingHandler>(loop);
    made = next.get();
    return std::make_unique<PauseGuard>(kill_switch, refusals, ns, "mini2", std::move(next));
  }
  net::Running<std::string> start(PauseGuard& at, std::string_view shed = "web",
                                  std::string_view payload = R"({"operation":"sign"})") {
    return net::Running<std::string>(
        loop, at.handle({"id", "ssh-agent", std::string(payload), {std::string(shed), "vz", ""}}));
  }
  std::string ask(PauseGuard& at, std::string_view shed = "web",
                  std::string_view payload = R"({"operation":"sign"})") {
    auto answer = start(at, shed, payload);
    REQUIRE(answer.done());
    return *answer;
  }
  bool is_refused(std::string_view shed = "web") {
    return member(ask(*guard, shed), "reason_code") == "HOST_PAUSED";
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  AuditLog audit{folder / "audit.log"};
  RefusalLog refusals{loop, audit};
  KillSwitch kill_switch{loop};
  WorkingHandler* handler = nullptr;
  std::unique_ptr<PauseGuard> guard = guard_for(Namespace::kSsh, handler);
};

using Fixture = SwitchFixture;

}  // namespace

TEST_CASE_METHOD(Fixture, "a paused guest is refused, told what helps, and the record says so") {
  REQUIRE(kill_switch.pause({"", "web"}));
  CHECK(ask(*guard) ==
        R"({"error":"the host is paused","code":"SIGN_FAILED","reason_code":"HOST_PAUSED",)"
        R"("reason":"its owner has paused this guest; on the host 'shed-ext host resume' lets it go on"})");
  CHECK(handler->count == 0);
  const std::string record = text_of_file(folder / "audit.log");
  CHECK(member(record, "result") == "denied");
  CHECK(member(record, "code") == "HOST_PAUSED");
  CHECK(member(record, "op") == "sign");
}

TEST_CASE_METHOD(Fixture, "a pause of one guest leaves the others, and a resume lets it go on") {
  REQUIRE(kill_switch.pause({"", "web"}));
  CHECK(is_refused("web"));
  CHECK_FALSE(is_refused("ci"));
  CHECK(kill_switch.resume({"", "web"}) == 1);
  CHECK_FALSE(is_refused("web"));
}

TEST_CASE_METHOD(Fixture, "a pause on one server leaves the guest of that name on another") {
  REQUIRE(kill_switch.pause({"other", "web"}));
  CHECK_FALSE(is_refused());
  REQUIRE(kill_switch.pause({"mini2", "web"}));
  CHECK(is_refused());
}

TEST_CASE_METHOD(Fixture, "a pause of all is one of guests that come later as well") {
  REQUIRE(kill_switch.pause({}));
  CHECK(is_refused("web"));
  CHECK(is_refused("never-seen"));
}

TEST_CASE_METHOD(Fixture, "to resume one guest does not end the pause of all, which is named") {
  REQUIRE(kill_switch.pause({}));
  CHECK(kill_switch.resume({"", "web"}) == 0);
  REQUIRE(kill_switch.pause_within({"", "web"}) != nullptr);
  CHECK(kill_switch.pause_within({"", "web"})->text() == "all guests");
  CHECK(is_refused());
}

TEST_CASE_METHOD(Fixture, "to resume all ends every pause") {
  REQUIRE(kill_switch.pause({"", "web"}));
  REQUIRE(kill_switch.pause({"mini2", "ci"}));
  REQUIRE(kill_switch.pause({}));
  CHECK(kill_switch.resume({}) == 3);
  CHECK(kill_switch.pauses().empty());
  CHECK_FALSE(is_refused());
}

TEST_CASE_METHOD(Fixture, "what is under way is dropped at once, and recorded as denied") {
  handler->gate.reset();
  auto web = start(*guard, "web");
  auto ci = start(*guard, "ci");
  CHECK(handler->in_work == 2);
  CHECK(kill_switch.pause({"", "web"}) == 1U);
  loop.poll();
  REQUIRE(web.done());
  CHECK(member(*web, "reason_code") == "HOST_PAUSED");
  CHECK_THAT(member(*web, "reason"), Catch::Contains("while this was under way"));
  CHECK(handler->in_work == 1);
  CHECK_FALSE(ci.done());
  CHECK(member(text_of_file(folder / "audit.log"), "shed") == "web");
  handler->gate.set();
  loop.poll();
  REQUIRE(ci.done());
  CHECK(*ci == R"({"answer":"secret"})");
}

TEST_CASE_METHOD(Fixture, "an answer that comes in the same moment as the pause does not leave the host") {
  handler->gate.reset();
  auto web = start(*guard);
  handler->gate.set();
  REQUIRE(kill_switch.pause({}));
  loop.poll();
  REQUIRE(web.done());
  CHECK(member(*web, "reason_code") == "HOST_PAUSED");
}

TEST_CASE_METHOD(Fixture, "to pause twice ends nothing twice, and one resume ends it") {
  handler->gate.reset();
  auto web = start(*guard);
  CHECK(kill_switch.pause({"", "web"}) == 1U);
  CHECK(kill_switch.pause({"", "web"}) == 0U);
  CHECK(kill_switch.pauses().size() == 1);
  CHECK(kill_switch.resume({"", "web"}) == 1);
  CHECK(kill_switch.resume({"", "web"}) == 0);
  loop.poll();
  REQUIRE(web.done());
  CHECK(member(*web, "reason_code") == "HOST_PAUSED");
}

TEST_CASE_METHOD(Fixture, "a paused guest's pings are answered, and what only looks like one is not") {
  REQUIRE(kill_switch.pause({}));
  CHECK(ask(*guard, "web", R"({"operation":"ping"})") == R"({"answer":"secret"})");
  CHECK(member(ask(*guard, "web", R"({"operation":"status"})"), "reason_code") == "HOST_PAUSED");
  const std::string long_one = R"({"operation":"ping","x":")" + std::string(200, 'x') + "\"}";
  CHECK(member(ask(*guard, "web", long_one), "reason_code") == "HOST_PAUSED");
  CHECK(member(ask(*guard, "web", "garbage"), "reason_code") == "HOST_PAUSED");
}

TEST_CASE_METHOD(Fixture, "each namespace refuses with a code that its clients know") {
  REQUIRE(kill_switch.pause({}));
  WorkingHandler* made = nullptr;
  const auto aws = guard_for(Namespace::kAws, made);
  const auto docker = guard_for(Namespace::kDocker, made);
  CHECK(member(ask(*aws, "web", R"({"operation":"get_credentials"})"), "code") == "ASSUME_ROLE_FAILED");
  CHECK(member(ask(*docker, "web", R"({"operation":"get"})"), "code") == "REGISTRY_NOT_ALLOWED");
  CHECK(member(ask(*docker, "web", R"({"operation":"list"})"), "code") == "INTERNAL_ERROR");
}

TEST_CASE_METHOD(Fixture, "a guest that goes on asking in a pause gets one record a second") {
  REQUIRE(kill_switch.pause({}));
  for (int i = 0; i < 1000; ++i) ask(*guard);
  const std::string text = text_of_file(folder / "audit.log");
  CHECK(std::ranges::count(text, '\n') == 1);
  clock.advance(1s);
  loop.poll();
  CHECK_THAT(text_of_file(folder / "audit.log"), Catch::Contains("one record for 999 refused requests"));
}

TEST_CASE_METHOD(Fixture, "so many guests can be paused one by one, and all of them always") {
  for (std::size_t i = 0; i < KillSwitch::kMaxPauses; ++i)
    REQUIRE(kill_switch.pause({"", fmt::format("{}", i)}));
  const auto refused = kill_switch.pause({"", "one more"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kLimit);
  CHECK(kill_switch.pause({}));
  CHECK(is_refused("one more"));
}

TEST_CASE_METHOD(Fixture, "a guest is known once it has asked for anything") {
  CHECK_FALSE(kill_switch.has_seen({"", "web"}));
  ask(*guard);
  CHECK(kill_switch.has_seen({"", "web"}));
  CHECK(kill_switch.has_seen({"mini2", "web"}));
  CHECK_FALSE(kill_switch.has_seen({"other", "web"}));
}

}  // namespace shed::broker
