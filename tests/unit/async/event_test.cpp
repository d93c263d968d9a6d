#include "shed/async/event.h"

#include <optional>

#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

Task<> wait_in_time(Event& event, Millis limit, std::optional<bool>& came) {
  came = co_await event.wait_for(limit);
}

Task<> play(Event& mine, Event& other, int rounds, int& count) {
  for (int i = 0; i < rounds; ++i) {
    co_await mine.wait();
    mine.reset();
    ++count;
    other.set();
  }
}

struct EventFixture : LoopFixture {
  Event event{loop};
  Trace trace;
  std::optional<bool> came;
  Scope scope{loop};
};

}  // namespace

TEST_CASE_METHOD(EventFixture, "an event wakes those who wait, in their order") {
  for (const char* name : {"a", "b", "c"}) scope.spawn(wait_then_note(event, trace, name));
  loop.poll();
  event.set();
  CHECK(trace.empty());
  loop.poll();
  CHECK(trace == Trace{"a", "~a", "b", "~b", "c", "~c"});
}

TEST_CASE_METHOD(EventFixture, "an event that is set stops nobody") {
  event.set();
  loop.block_on(wait_then_note(event, trace, "a"));
  CHECK(trace == Trace{"a", "~a"});
}

TEST_CASE_METHOD(EventFixture, "an event that was reset is waited for") {
  event.set();
  event.reset();
  CHECK(!event.is_set());
  scope.spawn(wait_then_note(event, trace, "a"));
  loop.poll();
  CHECK(trace.empty());
}

TEST_CASE_METHOD(EventFixture, "an event that is reset at once has woken its waiter all the same") {
  scope.spawn(wait_then_note(event, trace, "a"));
  loop.poll();
  event.set();
  event.reset();
  loop.poll();
  CHECK(trace == Trace{"a", "~a"});
}

TEST_CASE_METHOD(EventFixture, "wake_all wakes and leaves the event unset") {
  scope.spawn(wait_then_note(event, trace, "a"));
  loop.poll();
  event.wake_all();
  loop.poll();
  CHECK(trace == Trace{"a", "~a"});
  CHECK(!event.is_set());
}

TEST_CASE_METHOD(EventFixture, "a waiter that was woken twice runs once") {
  scope.spawn(wait_then_note(event, trace, "a"));
  loop.poll();
  event.set();
  event.set();
  event.wake_all();
  loop.poll();
  CHECK(trace == Trace{"a", "~a"});
}

TEST_CASE_METHOD(EventFixture, "a waiter outlives an event that ends, and is never woken") {
  {
    Event shorter(loop);
    scope.spawn(wait_then_note(shorter, trace, "a"));
    loop.poll();
  }
  loop.poll();
  scope.cancel();
  CHECK(trace == Trace{"~a"});
}

TEST_CASE_METHOD(EventFixture, "wait_for is true when the event comes in time") {
  scope.spawn(wait_in_time(event, 100ms, came));
  loop.poll();
  advance(99ms);
  CHECK(!came);
  event.set();
  loop.poll();
  CHECK(came == true);
}

TEST_CASE_METHOD(EventFixture, "wait_for is false when the time runs out") {
  scope.spawn(wait_in_time(event, 100ms, came));
  loop.poll();
  advance(100ms);
  CHECK(came == false);
}

TEST_CASE_METHOD(EventFixture, "wait_for does not wait for an event that is set") {
  event.set();
  scope.spawn(wait_in_time(event, 0ms, came));
  loop.poll();
  CHECK(came == true);
}

TEST_CASE_METHOD(EventFixture, "an event that came before the time ran out counts, though it was reset") {
  scope.spawn(wait_in_time(event, 100ms, came));
  loop.poll();
  event.set();
  event.reset();
  advance(100ms);  // the alarm is due before the waiter has had its turn
  CHECK(came == true);
}

TEST_CASE_METHOD(EventFixture, "wake_all counts as the event for wait_for") {
  scope.spawn(wait_in_time(event, 100ms, came));
  loop.poll();
  event.wake_all();
  advance(100ms);
  CHECK(came == true);
}

TEST_CASE_METHOD(EventFixture, "a timed wait can be dropped while its alarm has put it on the queue") {
  static constexpr auto cancel_after = [](Loop& on, Scope& other, Millis delay) -> Task<> {
    co_await on.sleep(delay);
    other.cancel();
  };
  Scope canceller(loop);
  canceller.spawn(cancel_after(loop, scope, 100ms));
  loop.poll();
  scope.spawn(wait_in_time(event, 100ms, came));
  loop.poll();
  advance(100ms);  // both are due: the first to run drops the second
  CHECK(!came);
  CHECK(scope.size() == 0);
}

TEST_CASE_METHOD(EventFixture, "100,000 rounds of ping-pong keep the stack flat and lose nothing") {
  Event ping(loop), pong(loop);
  int pings = 0, pongs = 0;
  scope.spawn(play(ping, pong, 100'000, pings));
  scope.spawn(play(pong, ping, 100'000, pongs));
  ping.set();
  loop.block_on(scope.join());
  CHECK(pings == 100'000);
  CHECK(pongs == 100'000);
}

}  // namespace shed::async
