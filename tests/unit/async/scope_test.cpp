#include "shed/async/scope.h"

#include <memory>

#include "unit/async/support.h"

namespace shed::async {
namespace {

Task<> note(Trace& trace, std::string text) {
  trace.push_back(std::move(text));
  co_return;
}

Task<> join_then_note(Scope& scope, Trace& trace) {
  co_await scope.join();
  trace.push_back("joined");
}

// Spawns `left` more tasks, one from each destructor, while its scope is being cancelled.
struct SpawnsWhenDestroyed {
  Scope& scope;
  Event& event;
  int left;
  int& destroyed;
  ~SpawnsWhenDestroyed() {
    ++destroyed;
    if (left > 0) scope.spawn(hold(std::make_unique<SpawnsWhenDestroyed>(scope, event, left - 1, destroyed)));
  }
  static Task<> hold(std::unique_ptr<SpawnsWhenDestroyed> held) {
    auto wait = held->event.wait();
    co_await wait;
  }
};

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a spawned task starts at the loop's next turn") {
  Trace trace;
  Scope scope(loop);
  scope.spawn(note(trace, "ran"));
  CHECK(trace.empty());
  CHECK(scope.size() == 1);
  loop.poll();
  CHECK(trace == Trace{"ran"});
  CHECK(scope.size() == 0);
}

TEST_CASE_METHOD(LoopFixture, "tasks start in the order in which they were spawned") {
  Trace trace;
  Scope scope(loop);
  for (const char* name : {"a", "b", "c"}) scope.spawn(note(trace, name));
  loop.poll();
  CHECK(trace == Trace{"a", "b", "c"});
}

TEST_CASE_METHOD(LoopFixture, "a task that is cancelled before its first turn never runs") {
  Trace trace;
  Scope scope(loop);
  scope.spawn(note(trace, "never"));
  scope.cancel();
  CHECK(scope.size() == 0);
  loop.poll();
  CHECK(trace.empty());
}

TEST_CASE_METHOD(LoopFixture, "the end of a scope cancels what still runs") {
  Event event(loop);
  Trace trace;
  {
    Scope scope(loop);
    scope.spawn(wait_then_note(event, trace, "a"));
    scope.spawn(wait_then_note(event, trace, "b"));
    loop.poll();
  }
  event.set();
  loop.poll();
  CHECK(trace == Trace{"~a", "~b"});
}

TEST_CASE_METHOD(LoopFixture, "a task may cancel its siblings in another scope, whatever they do") {
  static constexpr auto cancel = [](Scope& other, Event& event) -> Task<> {
    event.set();  // some of them are queued now
    other.cancel();
    co_return;
  };
  Event event(loop);
  Event never(loop);
  Trace trace;
  Scope scope(loop), others(loop);
  others.spawn(wait_then_note(event, trace, "queued"));
  others.spawn(wait_then_note(never, trace, "waiting"));
  loop.poll();
  scope.spawn(cancel(others, event));
  others.spawn(wait_then_note(never, trace, "not started"));
  loop.poll();
  CHECK(trace == Trace{"~queued", "~waiting"});
  CHECK(others.size() == 0);
  CHECK(scope.size() == 0);
}

TEST_CASE_METHOD(LoopFixture, "a task may spawn into its own scope") {
  static constexpr auto spawn_more = [](Scope& scope, Trace& trace) -> Task<> {
    scope.spawn(note(trace, "second"));
    trace.push_back("first");
    co_return;
  };
  Trace trace;
  Scope scope(loop);
  scope.spawn(spawn_more(scope, trace));
  loop.poll();
  CHECK(trace == Trace{"first", "second"});
}

TEST_CASE_METHOD(LoopFixture, "what a destructor spawns while its scope is cancelled is cancelled too") {
  Event event(loop);
  int destroyed = 0;
  {
    Scope scope(loop);
    scope.spawn(SpawnsWhenDestroyed::hold(std::make_unique<SpawnsWhenDestroyed>(scope, event, 5, destroyed)));
    loop.poll();
  }
  CHECK(destroyed == 6);
  event.set();
  loop.poll();
  CHECK(destroyed == 6);
}

TEST_CASE_METHOD(LoopFixture, "join waits for the last task") {
  Event first(loop), second(loop);
  Trace trace;
  Scope scope(loop), waiting(loop);
  scope.spawn(wait_then_note(first, trace, "a"));
  scope.spawn(wait_then_note(second, trace, "b"));
  waiting.spawn(join_then_note(scope, trace));
  loop.poll();
  first.set();
  loop.poll();
  CHECK(trace == Trace{"a", "~a"});
  second.set();
  loop.poll();
  CHECK(trace == Trace{"a", "~a", "b", "~b", "joined"});
}

TEST_CASE_METHOD(LoopFixture, "join of an empty scope does not wait") {
  Scope scope(loop);
  loop.block_on(scope.join());
  CHECK(scope.size() == 0);
}

TEST_CASE_METHOD(LoopFixture, "cancelling a scope ends a join") {
  Event never(loop);
  Trace trace;
  Scope scope(loop), waiting(loop);
  scope.spawn(wait_then_note(never, trace, "a"));
  waiting.spawn(join_then_note(scope, trace));
  loop.poll();
  scope.cancel();
  loop.poll();
  CHECK(trace == Trace{"~a", "joined"});
}

TEST_CASE_METHOD(LoopFixture, "below bounds how many tasks run at once") {
  static constexpr auto work = [](Loop& on, int& running, int& most) -> Task<> {
    most = std::max(most, ++running);
    co_await on.turn();
    co_await on.turn();
    --running;
  };
  static constexpr auto spawn_all = [](Loop& on, int& running, int& most) -> Task<> {
    Scope scope(on);
    for (int i = 0; i < 1000; ++i) {
      co_await scope.below(3);
      scope.spawn(work(on, running, most));
    }
    co_await scope.join();
  };
  int running = 0, most = 0;
  loop.block_on(spawn_all(loop, running, most));
  CHECK(most == 3);
  CHECK(running == 0);
}

TEST_CASE_METHOD(LoopFixture, "a finished task is gone at once, with what it held") {
  static constexpr auto hold = [](std::shared_ptr<int>) -> Task<> { co_return; };
  const auto held = std::make_shared<int>(0);
  Scope scope(loop);
  scope.spawn(hold(held));
  CHECK(held.use_count() == 2);
  loop.poll();
  CHECK(held.use_count() == 1);
}

TEST_CASE_METHOD(LoopFixture, "a scope in a task ends with the task") {
  static constexpr auto own_scope = [](Loop& on, Event& event, Trace& trace) -> Task<> {
    Scope scope(on);
    scope.spawn(wait_then_note(event, trace, "inner"));
    auto wait = event.wait();
    co_await wait;
  };
  Event never(loop);
  Trace trace;
  Scope scope(loop);
  scope.spawn(own_scope(loop, never, trace));
  loop.poll();
  scope.cancel();
  CHECK(trace == Trace{"~inner"});
}

TEST_CASE_METHOD(LoopFixture, "10,000 tasks can be cancelled in any state") {
  Event odd(loop), never(loop);
  Trace trace;
  {
    Scope scope(loop);
    for (int i = 0; i < 5'000; ++i) scope.spawn(wait_then_note(i % 2 == 0 ? never : odd, trace, "x"));
    loop.poll();
    odd.set();
    for (int i = 0; i < 5'000; ++i) scope.spawn(note(trace, "not started"));
    CHECK(scope.size() == 10'000);
  }
  loop.poll();
  CHECK(trace == Trace(5'000, "~x"));
}

}  // namespace shed::async
