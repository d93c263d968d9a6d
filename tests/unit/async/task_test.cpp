#include "shed/async/task.h"

#include <memory>
#include <stdexcept>

#include "unit/async/support.h"

namespace shed::async {
namespace {

Task<int> number(int value) { co_return value; }
Task<std::unique_ptr<int>> boxed(int value) { co_return std::make_unique<int>(value); }
Task<Result<int>> failing() { co_return fail(Errc::kRefused, "no"); }
Task<std::pair<int, int>> braced() { co_return {1, 2}; }

Task<int> add_numbers(Loop& loop, int from, int to) {
  int sum = 0;
  for (int i = from; i < to; ++i) {
    co_await loop.turn();
    sum += co_await number(i);
  }
  co_return sum;
}

Task<> note_start(Trace& trace, std::shared_ptr<int> argument) {
  trace.push_back("started with " + std::to_string(*argument));
  co_return;
}

// Ten frames deep; each notes its end and what it does after the wait.
Task<> chain(Event& event, Trace& trace, int depth) {
  const Mark mark(trace, std::to_string(depth));
  if (depth == 10) {
    auto wait = event.wait();
    co_await wait;
  } else {
    co_await chain(event, trace, depth + 1);
  }
  trace.push_back("after " + std::to_string(depth));
}

const Trace kChainDestroyed = {"~10", "~9", "~8", "~7", "~6", "~5", "~4", "~3", "~2", "~1"};

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a task yields its value") {
  CHECK(loop.block_on(number(7)) == 7);
  CHECK(loop.block_on(add_numbers(loop, 0, 10)) == 45);
}

TEST_CASE_METHOD(LoopFixture, "a task yields what can only be moved") {
  CHECK(*loop.block_on(boxed(3)) == 3);
}

TEST_CASE_METHOD(LoopFixture, "a task's result may be written in braces") {
  CHECK(loop.block_on(braced()) == std::pair(1, 2));
}

TEST_CASE_METHOD(LoopFixture, "a task yields an error") {
  const Result<int> result = loop.block_on(failing());
  REQUIRE(!result);
  CHECK(result.error().code() == Errc::kRefused);
  CHECK(result.error().text() == "no");
}

TEST_CASE_METHOD(LoopFixture, "a task runs nothing before it is awaited") {
  Trace trace;
  Task<> task = note_start(trace, std::make_shared<int>(1));
  loop.poll();
  CHECK(trace.empty());
  loop.block_on(std::move(task));
  CHECK(trace == Trace{"started with 1"});
}

TEST_CASE_METHOD(LoopFixture, "dropping a task that was never started frees its arguments and runs nothing") {
  Trace trace;
  const auto argument = std::make_shared<int>(1);
  {
    const Task<> task = note_start(trace, argument);
    CHECK(argument.use_count() == 2);
  }
  CHECK(argument.use_count() == 1);
  CHECK(trace.empty());
}

TEST_CASE_METHOD(LoopFixture, "a finished task has freed its arguments before its awaiter goes on") {
  const auto argument = std::make_shared<int>(1);
  static constexpr auto count_after = [](std::shared_ptr<int> shared) -> Task<long> {
    Trace trace;
    co_await note_start(trace, shared);
    co_return shared.use_count();
  };
  CHECK(loop.block_on(count_after(argument)) <= 3);  // this function's, the parameter and its copy
  CHECK(argument.use_count() == 1);
}

TEST_CASE_METHOD(LoopFixture, "assigning to a task cancels what it held") {
  const auto argument = std::make_shared<int>(1);
  Trace trace;
  Task<> task = note_start(trace, argument);
  task = Task<>();
  CHECK(argument.use_count() == 1);
  task = note_start(trace, argument);
  task.cancel();
  CHECK(argument.use_count() == 1);
}

TEST_CASE_METHOD(LoopFixture, "a chain of ten that waits is destroyed from the inside out") {
  Event event(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(chain(event, trace, 1));
  loop.poll();
  scope.cancel();
  CHECK(trace == kChainDestroyed);
  event.set();
  loop.poll();
  CHECK(trace == kChainDestroyed);
}

TEST_CASE_METHOD(LoopFixture, "a chain of ten that is queued for resumption can be dropped") {
  Event event(loop);
  Trace trace;
  {
    Scope scope(loop);
    scope.spawn(chain(event, trace, 1));
    loop.poll();
    event.set();
  }
  loop.poll();
  CHECK(trace == kChainDestroyed);
}

TEST_CASE_METHOD(LoopFixture, "a chain of ten that may go on unwinds from the inside out") {
  Event event(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(chain(event, trace, 1));
  loop.poll();
  event.set();
  loop.poll();
  REQUIRE(trace.size() == 20);
  CHECK(trace.front() == "after 10");
  CHECK(trace[1] == "~10");
  CHECK(trace.back() == "~1");
}

TEST_CASE_METHOD(LoopFixture, "locals of a dropped task are destroyed last to first") {
  static constexpr auto wait_with_locals = [](Event& event, Trace& trace) -> Task<> {
    const Mark first(trace, "first");
    const Mark second(trace, "second");
    auto wait = event.wait();
    co_await wait;
    trace.push_back("never");
  };
  Event event(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(wait_with_locals(event, trace));
  loop.poll();
  scope.cancel();
  CHECK(trace == Trace{"~second", "~first"});
}

TEST_CASE_METHOD(LoopFixture, "temporaries of an await are destroyed once, after it") {
  static constexpr auto take = [](Event& event, std::unique_ptr<Mark> mark) -> Task<> {
    auto wait = event.wait();
    co_await wait;
    mark.reset();
  };
  static constexpr auto caller = [](Event& event, Trace& trace) -> Task<> {
    co_await take(event, std::make_unique<Mark>(trace, "temporary"));
    trace.push_back("after");
  };
  Event event(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(caller(event, trace));
  loop.poll();
  CHECK(trace.empty());
  event.set();
  loop.poll();
  CHECK(trace == Trace{"~temporary", "after"});
}

TEST_CASE_METHOD(LoopFixture, "100,000 awaits of tasks that finish at once keep the stack flat") {
  static constexpr auto sum = []() -> Task<long> {
    long total = 0;
    for (int i = 0; i < 100'000; ++i) total += co_await number(i);
    co_return total;
  };
  CHECK(loop.block_on(sum()) == 4'999'950'000L);
}

TEST_CASE_METHOD(LoopFixture, "100,000 awaits of tasks that wait keep the stack flat") {
  static constexpr auto sum = [](Loop& on) -> Task<long> {
    long total = 0;
    for (int i = 0; i < 100'000; ++i) total += co_await add_numbers(on, i, i + 1);
    co_return total;
  };
  CHECK(loop.block_on(sum(loop)) == 4'999'950'000L);
}

TEST_CASE("an exception that leaves a task ends the process") {
  static constexpr auto throwing = []() -> Task<> {
    throw std::runtime_error("broken code");
    co_return;
  };
  CHECK(aborts([] {
    Loop loop;
    loop.block_on(throwing());
  }));
}

}  // namespace shed::async
