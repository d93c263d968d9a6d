#include "shed/async/loop.h"

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

Task<> sleep_then_note(Loop& loop, Millis duration, Trace& trace, std::string name) {
  co_await loop.sleep(duration);
  trace.push_back(std::move(name));
}

Task<> wait_for_ever(Event& event) { co_await event.wait(); }

Task<> yield_until(Loop& loop, const bool& done) {
  while (!done) co_await loop.turn();
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a turn lets what is queued go first") {
  Trace trace;
  Event event(loop);
  Scope scope(loop);
  scope.spawn(wait_then_note(event, trace, "woken"));
  scope.spawn([](Loop& on, Event& woken, Trace& noted) -> Task<> {
    woken.set();
    co_await on.turn();
    noted.push_back("after it");
  }(loop, event, trace));
  loop.poll();
  CHECK(trace == Trace{"woken", "~woken", "after it"});
}

TEST_CASE_METHOD(LoopFixture, "sleepers wake in the order of their times") {
  Trace trace;
  Scope scope(loop);
  scope.spawn(sleep_then_note(loop, 20ms, trace, "late"));
  scope.spawn(sleep_then_note(loop, 10ms, trace, "early"));
  loop.poll();
  advance(10ms);
  CHECK(trace == Trace{"early"});
  advance(10ms);
  CHECK(trace == Trace{"early", "late"});
}

TEST_CASE_METHOD(LoopFixture, "a dropped sleeper does not wake") {
  Trace trace;
  Scope scope(loop);
  scope.spawn(sleep_then_note(loop, 10ms, trace, "never"));
  loop.poll();
  scope.cancel();
  advance(100ms);
  CHECK(trace.empty());
}

TEST_CASE("the system's clock wakes a sleeper that is the only thing left") {
  Loop loop;
  const SteadyTime start = loop.clock().now();
  Trace trace;
  for (int i = 0; i < 20; ++i) loop.block_on(sleep_then_note(loop, 1ms, trace, "awake"));
  CHECK(trace.size() == 20);
  CHECK(loop.clock().now() - start >= 20ms);
}

TEST_CASE_METHOD(LoopFixture, "run returns when nothing is left that could happen") {
  Event never(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(sleep_then_note(loop, 0ms, trace, "done"));
  scope.spawn(wait_then_note(never, trace, "never"));
  loop.run();
  CHECK(trace == Trace{"done"});
}

TEST_CASE_METHOD(LoopFixture, "stop ends run, and what was queued runs the next time") {
  static constexpr auto stop_then_note = [](Loop& on, Trace& trace) -> Task<> {
    on.stop();
    co_await on.turn();
    trace.push_back("after");
  };
  Trace trace;
  Scope scope(loop);
  scope.spawn(stop_then_note(loop, trace));
  loop.run();
  CHECK(trace.empty());
  loop.poll();
  CHECK(trace == Trace{"after"});
}

TEST_CASE_METHOD(LoopFixture, "stop does not end block_on") {
  static constexpr auto stop_and_go_on = [](Loop& on) -> Task<int> {
    on.stop();
    co_await on.turn();
    co_return 5;
  };
  CHECK(loop.block_on(stop_and_go_on(loop)) == 5);
}

TEST_CASE_METHOD(LoopFixture, "block_on returns when its task is done, though others wait for descriptors") {
  static constexpr auto read_for_ever = [](Loop& on, int fd) -> Task<> {
    FdWatcher watcher(on, fd);
    co_await watcher.readable();
  };
  static constexpr auto yield_once = [](Loop& on) -> Task<int> {
    co_await on.turn();
    co_return 6;
  };
  auto [near, far] = socket_pair();
  Scope scope(loop);
  scope.spawn(read_for_ever(loop, near.get()));
  CHECK(loop.block_on(yield_once(loop)) == 6);
}

TEST_CASE_METHOD(LoopFixture, "a task that is always ready does not keep descriptors from being looked at") {
  static constexpr auto read_one = [](Loop& on, UniqueFd fd, bool& done) -> Task<> {
    Stream stream(on, std::move(fd));
    char byte = 0;
    const auto count = co_await stream.read({&byte, 1});
    done = count && *count == 1;
  };
  auto [near, far] = socket_pair();
  REQUIRE(::write(far.get(), "x", 1) == 1);
  bool done = false;
  Scope scope(loop);
  scope.spawn(read_one(loop, std::move(near), done));
  loop.block_on(yield_until(loop, done));
  CHECK(done);
}

TEST_CASE_METHOD(LoopFixture, "a waiter that is queued already keeps its place and runs once") {
  Event first(loop), second(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(wait_then_note(first, trace, "a"));
  scope.spawn(wait_then_note(second, trace, "b"));
  loop.poll();
  first.set();
  second.set();
  first.set();
  loop.poll();
  CHECK(trace == Trace{"a", "~a", "b", "~b"});
}

TEST_CASE("waiting for what can never come ends the process") {
  CHECK(aborts([] {
    Loop loop;
    Event never(loop);
    loop.block_on(wait_for_ever(never));
  }));
}

TEST_CASE("a loop that ends before one of its watchers ends the process") {
  auto [near, far] = socket_pair();
  CHECK(aborts([fd = near.get()] {
    auto loop = std::make_unique<Loop>();
    FdWatcher watcher(*loop, fd);
    loop.reset();
  }));
}

}  // namespace shed::async
