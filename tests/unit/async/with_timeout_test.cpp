#include "shed/async/scope.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

Task<Result<int>> answer_after(Loop& loop, Millis delay, Trace& trace) {
  const Mark mark(trace, "task");
  co_await loop.sleep(delay);
  trace.push_back("answered");
  co_return 42;
}

Task<Status> refuse() { co_return fail(Errc::kRefused, "not today"); }

Task<> store(Task<Result<int>> task, std::optional<Result<int>>& slot, Trace& trace) {
  slot.emplace(co_await std::move(task));
  trace.push_back("stored");
}

struct TimeoutFixture : LoopFixture {
  Trace trace;
  std::optional<Result<int>> result;
  Scope scope{loop};

  void start(Millis limit, Millis delay) {
    scope.spawn(store(with_timeout(loop, limit, answer_after(loop, delay, trace)), result, trace));
    loop.poll();
  }
};

}  // namespace

TEST_CASE_METHOD(TimeoutFixture, "an answer within the limit is passed on") {
  start(3s, 2s);
  advance(1999ms);
  CHECK(!result);
  advance(1ms);
  REQUIRE(result.has_value());
  CHECK(**result == 42);
  CHECK(trace == Trace{"answered", "~task", "stored"});
}

TEST_CASE_METHOD(TimeoutFixture, "no answer within the limit cancels the task and says so") {
  start(3s, 4s);
  advance(3s);
  REQUIRE(result.has_value());
  REQUIRE(!*result);
  CHECK(result->error().code() == Errc::kTimeout);
  CHECK(result->error().text() == "no answer within 3s");
  CHECK(trace == Trace{"~task", "stored"});
  advance(10s);
  CHECK(trace.size() == 2);
}

TEST_CASE_METHOD(TimeoutFixture, "an answer that comes in the same moment as the limit is one outcome only") {
  start(2s, 2s);
  advance(5s);
  REQUIRE(result.has_value());
  CHECK(trace.back() == "stored");
  CHECK(std::count(trace.begin(), trace.end(), "stored") == 1);
}

TEST_CASE_METHOD(TimeoutFixture, "dropping the wait cancels the task behind it") {
  start(3s, 2s);
  scope.cancel();
  CHECK(trace == Trace{"~task"});
  advance(10s);
  CHECK(!result);
}

TEST_CASE_METHOD(TimeoutFixture, "a task that needs no time answers within a limit of zero") {
  static constexpr auto at_once = []() -> Task<Result<int>> { co_return 1; };
  const Result<int> answer = loop.block_on(with_timeout(loop, 0ms, at_once()));
  REQUIRE(answer);
  CHECK(*answer == 1);
}

TEST_CASE_METHOD(TimeoutFixture, "the task's own error is passed on") {
  const Status status = loop.block_on(with_timeout(loop, 1s, refuse()));
  REQUIRE(!status);
  CHECK(status.error().code() == Errc::kRefused);
}

TEST_CASE_METHOD(TimeoutFixture, "limits may be nested, and the shortest counts") {
  scope.spawn(
      store(with_timeout(loop, 5s, with_timeout(loop, 1s, answer_after(loop, 9s, trace))), result, trace));
  loop.poll();
  advance(1s);
  REQUIRE(result.has_value());
  CHECK(result->error().text() == "no answer within 1s");
}

}  // namespace shed::async
