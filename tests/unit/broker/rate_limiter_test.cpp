#include "shed/broker/rate_limiter.h"

#include <sys/stat.h>
#include <unistd.h>

#include "handler_fixture.h"
#include "unit/base/allocations.h"

namespace shed::broker {
namespace {

using namespace testing;

class AnsweringHandler : public bus::RequestHandler {
 public:
  async::Task<std::string> handle(bus::IncomingRequest) override {
    ++count;
    co_return "{}";
  }
  int count = 0;
};

struct LimiterFixture {
  std::unique_ptr<RateLimiter> limiter_for(Namespace ns, AnsweringHandler*& made) {
    auto next = std::make_unique<AnsweringHandler>();
    made = next.get();
    return std::make_unique<RateLimiter>(table, refusals, ns, "mini2", std::move(next));
  }
  std::string ask(RateLimiter& at, std::string_view payload = R"({"operation":"sign"})",
                  std::string_view shed = "web") {
    net::Running<std::string> answer(
        loop, at.handle({"id", "ssh-agent", std::string(payload), {std::string(shed), "vz", ""}}));
    REQUIRE(answer.done());
    return *answer;
  }
  int admitted(int requests, std::string_view payload = R"({"operation":"sign"})",
               std::string_view shed = "web") {
    const int before = ssh->count;
    for (int i = 0; i < requests; ++i) ask(*limiter, payload, shed);
    return ssh->count - before;
  }
  std::vector<std::string> records() const {
    std::vector<std::string> lines;
    std::ifstream file(folder / "audit.log");
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  AuditLog audit{folder / "audit.log"};
  RefusalLog refusals{loop, audit};
  RateTable table{clock, {Limit{3, 60}, Limit{2, 30}, std::nullopt, Limit{5, 60}}};
  AnsweringHandler* ssh = nullptr;
  std::unique_ptr<RateLimiter> limiter = limiter_for(Namespace::kSsh, ssh);
};

using Fixture = LimiterFixture;
using Kind = RateTable::Kind;
constexpr std::string_view kPing = R"({"operation":"ping"})";

}  // namespace

TEST_CASE_METHOD(Fixture, "a burst is let through, and then as many as the bucket fills") {
  CHECK(admitted(10) == 3);
  pass(999ms);
  CHECK(admitted(10) == 0);
  pass(1ms);
  CHECK(admitted(10) == 1);
  pass(2s);
  CHECK(admitted(10) == 2);
}

TEST_CASE_METHOD(Fixture, "a bucket is full after a long time, and no fuller") {
  admitted(10);
  pass(24h);
  CHECK(admitted(10) == 3);
}

TEST_CASE_METHOD(Fixture, "who is refused is told when to ask again, and what limits it") {
  admitted(3);
  CHECK(ask(*limiter) ==
        R"({"error":"too many requests","code":"INTERNAL_ERROR","reason_code":"RATE_LIMITED",)"
        R"("reason":"too many requests of this guest, again in 1 s; limits.ssh in extensions.yaml",)"
        R"("retryable":true,"retry_after_s":1})");
}

TEST_CASE_METHOD(Fixture, "asking in spite of a refusal makes nobody wait longer") {
  admitted(3);
  for (int i = 0; i < 1000; ++i) CHECK(table.take("mini2", "web", Kind::kSsh) == 1s);
  pass(1s);
  CHECK(admitted(1) == 1);
}

TEST_CASE_METHOD(Fixture, "one guest's flood costs no other guest anything") {
  admitted(1000);
  CHECK(admitted(3, R"({"operation":"sign"})", "ci") == 3);
  CHECK_FALSE(table.take("other", "web", Kind::kSsh));
}

TEST_CASE_METHOD(Fixture, "a server's and a guest's name do not make another pair of the two") {
  for (int i = 0; i < 3; ++i) CHECK_FALSE(table.take("ab", "c", Kind::kSsh));
  CHECK(table.take("ab", "c", Kind::kSsh));
  CHECK_FALSE(table.take("a", "bc", Kind::kSsh));
}

TEST_CASE_METHOD(Fixture, "each namespace has a bucket of its own, and one may have none") {
  admitted(10);
  AnsweringHandler* other = nullptr;
  const auto aws = limiter_for(Namespace::kAws, other);
  for (int i = 0; i < 10; ++i) ask(*aws);
  CHECK(other->count == 2);
  const auto docker = limiter_for(Namespace::kDocker, other);
  for (int i = 0; i < 10'000; ++i) ask(*docker);
  CHECK(other->count == 10'000);
}

TEST_CASE_METHOD(Fixture, "pings are counted apart, and those of all namespaces together") {
  admitted(3);
  CHECK(admitted(3, kPing) == 3);
  AnsweringHandler* other = nullptr;
  const auto docker = limiter_for(Namespace::kDocker, other);
  for (int i = 0; i < 3; ++i) ask(*docker, kPing);
  CHECK(other->count == 2);
  CHECK(member(ask(*docker, kPing), "reason") == "too many pings of this guest, again in 1 s");
}

TEST_CASE_METHOD(Fixture, "what is not quite a ping counts as a request") {
  const std::string payload =
      GENERATE(std::string(R"({"operation":"ping","x":")") + std::string(200, 'x') + "\"}",
               std::string("ping"), std::string(R"({"operation":["ping"]})"), std::string());
  CHECK(admitted(10, payload) == 3);
  CHECK_FALSE(table.take("mini2", "web", Kind::kPing));
}

TEST_CASE_METHOD(Fixture, "setting the host's clock gives and takes nothing") {
  const Millis jump = GENERATE(Millis(-86'400'000), Millis(86'400'000));
  admitted(3);
  clock.set_wall(clock.wall() + jump);
  loop.poll();
  CHECK(admitted(10) == 0);
  pass(1s);
  CHECK(admitted(10) == 1);
}

TEST_CASE_METHOD(Fixture, "at the bound guests with full buckets make room, and nobody gets a second burst") {
  for (std::size_t i = 0; i + 1 < RateTable::kMaxGuests; ++i)
    CHECK_FALSE(table.take("", fmt::format("{}", i), Kind::kSsh));
  pass(1s);
  admitted(3);
  CHECK(table.guests() == RateTable::kMaxGuests);
  CHECK_FALSE(table.take("", "new", Kind::kSsh));
  CHECK(table.guests() == 2);
  CHECK(admitted(3) == 0);
}

TEST_CASE_METHOD(Fixture,
                 "while no bucket is full a further guest is refused, and let in as soon as one is") {
  for (std::size_t i = 0; i < RateTable::kMaxGuests; ++i)
    CHECK_FALSE(table.take("", fmt::format("{}", i), Kind::kSsh));
  CHECK(table.take("", "new", Kind::kSsh));
  CHECK_FALSE(table.take("", "0", Kind::kSsh));
  pass(999ms);
  CHECK(table.take("", "new", Kind::kSsh));
  pass(1ms);
  CHECK_FALSE(table.take("", "new", Kind::kSsh));
}

TEST_CASE_METHOD(Fixture, "names that are too long share a bucket, so that they cannot fill the memory") {
  const std::string name(GuestIdView::kMaxName, 'x');
  for (int i = 0; i < 3; ++i) CHECK_FALSE(table.take("", name + fmt::format("{}", i), Kind::kSsh));
  CHECK(table.take("", name + "3", Kind::kSsh));
  CHECK(table.guests() == 1);
}

TEST_CASE_METHOD(Fixture, "a request that is let through costs the limiter nothing from the heap") {
  RateTable wide(clock, {Limit{1000, 60}, Limit{1000, 60}, Limit{1000, 60}, Limit{1000, 60}});
  AnsweringHandler alone;
  const auto start = allocations();
  auto next = std::make_unique<AnsweringHandler>();
  REQUIRE(allocations() > start);  // they are counted
  RateLimiter at(wide, refusals, Namespace::kSsh, "mini2", std::move(next));
  const std::string payload = GENERATE(as<std::string>{}, R"({"operation":"sign","data":"aGVsbG8="})",
                                       R"({"operation":"ping"})", "{}");
  CAPTURE(payload);
  const auto cost = [&](bus::RequestHandler& handler) {
    bus::IncomingRequest request{
        "id", "ssh-agent", payload, {"a guest with a name of some length", "vz", ""}};
    const auto before = allocations();
    net::Running<std::string> answer(loop, handler.handle(std::move(request)));
    REQUIRE(answer.done());
    return allocations() - before;
  };
  (void)cost(at);                 // the guest's buckets, and the parser's buffers
  const auto bare = cost(alone);  // none where the frames of coroutines are used again
  for (int i = 0; i < 100; ++i) REQUIRE(cost(at) == bare);
}

TEST_CASE_METHOD(Fixture, "a flood is recorded once a second, with how many were refused") {
  admitted(3);
  for (int i = 0; i < 5000; ++i) ask(*limiter);
  REQUIRE(records().size() == 1);
  CHECK(member(records()[0], "result") == "denied");
  CHECK(member(records()[0], "code") == "RATE_LIMITED");
  CHECK(member(records()[0], "op") == "sign");
  CHECK(member(records()[0], "shed") == "web");
  CHECK(member(records()[0], "server") == "mini2");
  pass(1s);
  REQUIRE(records().size() == 2);
  CHECK_THAT(member(records()[1], "reason"), Catch::EndsWith("; one record for 4999 refused requests"));
  pass(1s);
  CHECK(records().size() == 2);
}

TEST_CASE_METHOD(Fixture, "a guest that was refused long ago is recorded at once again") {
  admitted(4);
  pass(1s);
  pass(1s);
  admitted(10);
  CHECK(records().size() == 2);
}

TEST_CASE_METHOD(Fixture, "what was counted and not written is recorded at the end") {
  {
    RefusalLog other(loop, audit);
    const bus::IncomingRequest request{"id", "ssh-agent", "{}", {"web", "", ""}};
    for (int i = 0; i < 3; ++i) other.add(request, {Namespace::kSsh, "sign", "", "RATE_LIMITED", "why"});
    CHECK(records().size() == 1);
  }
  REQUIRE(records().size() == 2);
  CHECK(member(records()[1], "reason") == "why; one record for 2 refused requests");
}

TEST_CASE_METHOD(Fixture, "refusals that could not be recorded are counted in the record that can") {
  const std::string blocked = folder / "audit.log";
  REQUIRE(::mkdir(blocked.c_str(), 0700) == 0);
  admitted(5);
  pass(1s);
  REQUIRE(::rmdir(blocked.c_str()) == 0);
  pass(1s);
  REQUIRE(records().size() == 1);
  CHECK_THAT(member(records()[0], "reason"), Catch::EndsWith("; one record for 2 refused requests"));
}

TEST_CASE_METHOD(Fixture, "refusals of more guests than are remembered are counted together") {
  const auto refuse = [&](const std::string& shed) {
    refusals.add({"id", "ssh-agent", "{}", {shed, "", ""}},
                 {Namespace::kSsh, "sign", "", "RATE_LIMITED", "why"});
  };
  for (std::size_t i = 0; i < RefusalLog::kMaxGuests + 100; ++i) refuse(fmt::format("{}", i));
  CHECK(records().size() == RefusalLog::kMaxGuests + 1);
  pass(1s);
  REQUIRE(records().size() == RefusalLog::kMaxGuests + 2);
  CHECK(member(records().back(), "reason") == "why; one record for 99 refused requests");
}

}  // namespace shed::broker
