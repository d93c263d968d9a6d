#include "shed/broker/replay_guard.h"

#include "handler_fixture.h"
#include "shed/base/uuid.h"

namespace shed::broker {
namespace {

using namespace testing;

// Counts what reaches it, and answers when the test lets it.
class CountingHandler : public bus::RequestHandler {
 public:
  explicit CountingHandler(async::Loop& loop) : gate(loop) { gate.set(); }
  async::Task<std::string> handle(bus::IncomingRequest) override {
    const int number = ++count;
    auto wait = gate.wait();
    co_await wait;
    co_return answer.empty() ? fmt::format(R"({{"answer":{}}})", number) : answer;
  }
  int count = 0;
  std::string answer;
  async::Event gate;
};

struct ReplayFixture {
  std::unique_ptr<ReplayGuard> guard_for(Namespace ns, CountingHandler*& made) {
    auto next = std::make_unique<CountingHandler>(loop);
    made = next.get();
    return std::make_unique<ReplayGuard>(memory, refusals, ns, "mini2", std::move(next));
  }
  net::Running<std::string> start(std::string id, std::string payload = R"({"operation":"sign"})",
                                  std::string shed = "web") {
    return net::Running<std::string>(
        loop, guard->handle({std::move(id), "ssh-agent", std::move(payload), {std::move(shed), "vz", ""}}));
  }
  template <class... Args>
  std::string ask(Args... args) {
    auto answer = start(args...);
    REQUIRE(answer.done());
    return *answer;
  }
  std::string id_at(Millis offset) { return std::string(make_uuid7(clock.wall() + offset).view()); }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  AuditLog audit{folder / "audit.log"};
  RefusalLog refusals{loop, audit};
  ReplayMemory memory{loop};
  CountingHandler* handler = nullptr;
  std::unique_ptr<ReplayGuard> guard = guard_for(Namespace::kSsh, handler);
};

using Fixture = ReplayFixture;

std::string reason_code(const std::string& answer) { return member(answer, "reason_code"); }

}  // namespace

TEST_CASE_METHOD(Fixture, "a request that comes again gets the same answer, and is signed once") {
  const std::string id = id_at(0ms);
  CHECK(ask(id) == R"({"answer":1})");
  CHECK(ask(id) == R"({"answer":1})");
  CHECK(handler->count == 1);
  CHECK(ask(id_at(0ms)) == R"({"answer":2})");
}

TEST_CASE_METHOD(Fixture, "a request that comes again while it is worked on waits for the same answer") {
  handler->gate.reset();
  auto first = start("a");
  auto second = start("a");
  CHECK_FALSE(second.done());
  handler->gate.set();
  loop.poll();
  REQUIRE(first.done());
  REQUIRE(second.done());
  CHECK(*first == R"({"answer":1})");
  CHECK(*second == *first);
  CHECK(handler->count == 1);
}

TEST_CASE_METHOD(Fixture, "only so many wait for one request, the next is refused") {
  handler->gate.reset();
  auto first = start("a");
  std::vector<std::unique_ptr<net::Running<std::string>>> waiting;
  for (std::size_t i = 0; i < ReplayMemory::kMaxWaiting; ++i)
    waiting.push_back(std::make_unique<net::Running<std::string>>(
        loop, guard->handle({"a", "ssh-agent", R"({"operation":"sign"})", {"web", "vz", ""}})));
  CHECK(reason_code(ask("a")) == "DUPLICATE_REQUEST");
  handler->gate.set();
  loop.poll();
  for (const auto& task : waiting) CHECK(task->done());
}

TEST_CASE_METHOD(Fixture, "an id that comes again with another payload is refused and recorded") {
  ask("a");
  const std::string refused = ask("a", R"({"operation":"sign","data":"b3RoZXI="})");
  CHECK(refused == R"({"error":"request refused","code":"INTERNAL_ERROR","reason_code":"DUPLICATE_REQUEST",)"
                   R"("reason":"another request had this id"})");
  CHECK(handler->count == 1);
  const std::string record = text_of_file(folder / "audit.log");
  CHECK(member(record, "result") == "denied");
  CHECK(member(record, "code") == "DUPLICATE_REQUEST");
  CHECK(member(record, "op") == "sign");
  CHECK(member(record, "shed") == "web");
  CHECK(member(record, "request_id") == "a");
}

TEST_CASE_METHOD(Fixture, "an id of one namespace is no id of another one's request") {
  CountingHandler* docker = nullptr;
  const auto other = guard_for(Namespace::kDocker, docker);
  ask("a");
  net::Running<std::string> answer(
      loop, other->handle({"a", "docker-credentials", R"({"operation":"sign"})", {"web", "vz", ""}}));
  REQUIRE(answer.done());
  CHECK(reason_code(*answer) == "DUPLICATE_REQUEST");
  CHECK(docker->count == 0);
}

TEST_CASE_METHOD(Fixture, "two guests may use the same id") {
  CHECK(ask("a", R"({"operation":"sign"})", "web") == R"({"answer":1})");
  CHECK(ask("a", R"({"operation":"sign"})", "ci") == R"({"answer":2})");
}

TEST_CASE_METHOD(Fixture, "an id that is more than five minutes off is refused, up to there it is taken") {
  CHECK(member(ask(id_at(-301s)), "reason") ==
        "its id is more than 5 minutes off the host's time; set the clock of the guest");
  CHECK(reason_code(ask(id_at(301s))) == "DUPLICATE_REQUEST");
  CHECK(handler->count == 0);
  CHECK(ask(id_at(-299s)) == R"({"answer":1})");
  CHECK(ask(id_at(299s)) == R"({"answer":2})");
}

TEST_CASE_METHOD(Fixture, "an id that is no version 7 UUID has no time to be off") {
  CHECK(ask("request-1") == R"({"answer":1})");
  CHECK(ask("6ba7b810-9dad-11d1-80b4-00c04fd430c8") == R"({"answer":2})");
}

TEST_CASE_METHOD(Fixture, "an id that is empty or too long is refused") {
  CHECK(reason_code(ask("")) == "DUPLICATE_REQUEST");
  CHECK(reason_code(ask(std::string(ReplayMemory::kMaxId + 1, 'a'))) == "DUPLICATE_REQUEST");
  CHECK(handler->count == 0);
}

TEST_CASE_METHOD(Fixture, "a clock that jumps neither forgets an id nor signs twice") {
  const std::string id = id_at(0ms);
  ask(id);
  const Millis jump = GENERATE(Millis(-86'400'000), Millis(86'400'000));
  clock.set_wall(clock.wall() + jump);
  loop.poll();
  CHECK(ask(id) == R"({"answer":1})");
  CHECK(handler->count == 1);
}

TEST_CASE_METHOD(Fixture, "an answer is wiped in time, and asking for it again is refused") {
  ask("a");
  CHECK(memory.answer_bytes() > 0);
  for (int minute = 0; minute < 6; ++minute) {
    clock.advance(1min);
    loop.poll();
  }
  CHECK(memory.answer_bytes() == 0);
  CHECK(memory.ids() == 1);
  CHECK(member(ask("a"), "reason") == "it was asked before, and its answer is not kept");
  CHECK(handler->count == 1);
}

TEST_CASE_METHOD(Fixture, "an id from the future is known for as long as its time is good") {
  const std::string id = id_at(299s);
  ask(id);
  for (int second = 0; second < 599; ++second) {
    clock.advance(1s);
    loop.poll();
  }
  CHECK(reason_code(ask(id)) == "DUPLICATE_REQUEST");
  clock.advance(2min);
  loop.poll();
  CHECK(memory.ids() == 0);
  CHECK(reason_code(ask(id)) == "DUPLICATE_REQUEST");
  CHECK(handler->count == 1);
}

TEST_CASE_METHOD(Fixture, "work that was given up is not begun again") {
  handler->gate.reset();
  auto first = std::make_unique<net::Running<std::string>>(
      loop, guard->handle({"a", "ssh-agent", R"({"operation":"sign"})", {"web", "vz", ""}}));
  auto second = start("a");
  first.reset();
  loop.poll();
  REQUIRE(second.done());
  CHECK(reason_code(*second) == "DUPLICATE_REQUEST");
  CHECK(handler->count == 1);
}

TEST_CASE_METHOD(Fixture, "a guest that floods loses its own oldest ids, and no other guest's") {
  ask("other", R"({"operation":"sign"})", "ci");
  for (std::size_t i = 0; i < ReplayMemory::kMaxIds; ++i) ask(fmt::format("{}", i));
  CHECK(memory.ids() == ReplayMemory::kMaxIds);
  const int before = handler->count;
  CHECK(ask("other", R"({"operation":"sign"})", "ci") == R"({"answer":1})");
  CHECK(ask("1") == R"({"answer":3})");
  CHECK(handler->count == before);
  ask("0");
  CHECK(handler->count == before + 1);
}

TEST_CASE_METHOD(Fixture, "answers are kept up to a bound, beyond which the fullest guest's are wiped") {
  ask("other", R"({"operation":"sign"})", "ci");
  handler->answer = std::string(ReplayMemory::kMaxAnswer, 'x');
  for (std::size_t i = 0; i <= ReplayMemory::kMaxAnswers / ReplayMemory::kMaxAnswer; ++i)
    ask(fmt::format("{}", i));
  CHECK(memory.answer_bytes() <= ReplayMemory::kMaxAnswers / 4 * 3);
  const int before = handler->count;
  CHECK(ask("other", R"({"operation":"sign"})", "ci") == R"({"answer":1})");
  CHECK(reason_code(ask("0")) == "DUPLICATE_REQUEST");
  CHECK(handler->count == before);
}

TEST_CASE_METHOD(Fixture, "an answer that is too large is given once") {
  handler->answer = std::string(ReplayMemory::kMaxAnswer + 1, 'x');
  CHECK(ask("a") == handler->answer);
  CHECK(reason_code(ask("a")) == "DUPLICATE_REQUEST");
  CHECK(memory.answer_bytes() == 0);
}

}  // namespace shed::broker
