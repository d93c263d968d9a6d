// Alarm.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

class NotingAlarm : public Alarm {
 public:
  NotingAlarm(Loop& loop, Trace& trace, std::string name)
      : Alarm(loop), trace_(trace), name_(std::move(name)) {}
  ~NotingAlarm() override { disarm(); }

 private:
  void on_due() override { trace_.push_back(name_); }
  Trace& trace_;
  std::string name_;
};

class CountingAlarm : public Alarm {
 public:
  CountingAlarm(Loop& loop, int id, std::vector<int>& rung) : Alarm(loop), id_(id), rung_(rung) {}

 private:
  void on_due() override { rung_.push_back(id_); }
  int id_;
  std::vector<int>& rung_;
};

class RearmingAlarm : public Alarm {
 public:
  using Alarm::Alarm;
  int rung = 0;

 private:
  void on_due() override {
    ++rung;
    arm(0ms);
  }
};

Task<> disarm_when_readable(Loop& loop, UniqueFd fd, Alarm& alarm) {
  FdWatcher watcher(loop, fd.get());
  co_await watcher.readable();
  alarm.disarm();
}

struct AlarmFixture : LoopFixture {
  Trace trace;
  NotingAlarm a{loop, trace, "a"}, b{loop, trace, "b"}, c{loop, trace, "c"};
};

Task<> wait_for_ever(Loop& loop, UniqueFd fd) {
  FdWatcher watcher(loop, fd.get());
  co_await watcher.readable();
}
Task<> sleep_for(Loop& loop, Millis time) { co_await loop.sleep(time); }

}  // namespace

TEST_CASE_METHOD(AlarmFixture, "alarms ring in the order of their times") {
  a.arm(30ms);
  b.arm(10ms);
  c.arm(20ms);
  advance(9ms);
  CHECK(trace.empty());
  advance(1ms);
  CHECK(trace == Trace{"b"});
  advance(100ms);
  CHECK(trace == Trace{"b", "c", "a"});
}

TEST_CASE_METHOD(AlarmFixture, "alarms of the same moment ring in the order in which they were armed") {
  b.arm(10ms);
  c.arm(10ms);
  a.arm(10ms);
  advance(10ms);
  CHECK(trace == Trace{"b", "c", "a"});
}

TEST_CASE_METHOD(AlarmFixture, "an alarm rings once") {
  a.arm(10ms);
  advance(10ms);
  CHECK(!a.armed());
  advance(100ms);
  CHECK(trace == Trace{"a"});
}

TEST_CASE_METHOD(AlarmFixture, "a disarmed alarm does not ring") {
  a.arm(10ms);
  b.arm(20ms);
  a.disarm();
  advance(100ms);
  CHECK(trace == Trace{"b"});
}

TEST_CASE_METHOD(AlarmFixture, "an alarm that is armed again rings at the new time only") {
  a.arm(10ms);
  a.arm(30ms);
  advance(29ms);
  CHECK(trace.empty());
  advance(1ms);
  CHECK(trace == Trace{"a"});
}

TEST_CASE_METHOD(AlarmFixture, "a destroyed alarm is forgotten") {
  {
    NotingAlarm shorter(loop, trace, "never");
    shorter.arm(10ms);
  }
  a.arm(10ms);
  advance(100ms);
  CHECK(trace == Trace{"a"});
}

TEST_CASE_METHOD(AlarmFixture, "an alarm in the past rings at once") {
  a.arm(-5ms);
  loop.poll();
  CHECK(trace == Trace{"a"});
}

TEST_CASE_METHOD(AlarmFixture, "the longest delay there is does not overflow") {
  a.arm(Millis::max());
  b.arm(Millis::min());
  advance(24h);
  CHECK(trace == Trace{"b"});
  CHECK(a.armed());
}

TEST_CASE_METHOD(LoopFixture, "an alarm that rearms itself at once leaves others their turn") {
  RearmingAlarm busy(loop);
  busy.arm(0ms);
  loop.poll();
  CHECK(busy.rung == 1);
  loop.poll();
  CHECK(busy.rung == 2);
}

TEST_CASE_METHOD(LoopFixture, "thousands of alarms at random ring as a sorted reference says") {
  constexpr int kAlarms = 5'000;
  std::mt19937 random(20260331);  // NOLINT: the same numbers in every run
  std::vector<int> rung;
  std::vector<std::unique_ptr<CountingAlarm>> alarms;
  for (int i = 0; i < kAlarms; ++i) alarms.push_back(std::make_unique<CountingAlarm>(loop, i, rung));
  std::multimap<SteadyTime, int> expected;  // equal times in the order of arming
  const auto forget = [&](int id) {
    const auto found = std::find_if(expected.begin(), expected.end(),
                                    [id](const auto& entry) { return entry.second == id; });
    if (found != expected.end()) expected.erase(found);
  };
  for (int step = 0; step < 20'000; ++step) {
    const int id = static_cast<int>(random() % kAlarms);
    const Millis delay(random() % 1000);
    switch (random() % 8) {
      case 0:
        alarms[static_cast<std::size_t>(id)]->disarm();
        forget(id);
        break;
      case 1: {
        advance(Millis(random() % 5));
        std::vector<int> due;
        while (!expected.empty() && expected.begin()->first <= clock.now()) {
          due.push_back(expected.begin()->second);
          expected.erase(expected.begin());
        }
        REQUIRE(rung == due);
        rung.clear();
        break;
      }
      default:
        alarms[static_cast<std::size_t>(id)]->arm(delay);
        forget(id);
        expected.emplace(clock.now() + delay, id);
    }
  }
  std::vector<int> rest;
  for (const auto& [due, id] : expected) rest.push_back(id);
  advance(2s);
  CHECK(rung == rest);
  CHECK(rest.size() > 100);
}

TEST_CASE("the loop goes on when its next alarm was disarmed and a later one is ahead") {
  Loop loop;
  Trace trace;
  NotingAlarm earlier(loop, trace, "earlier"), later(loop, trace, "later");
  earlier.arm(20ms);
  later.arm(25ms);
  // By the time that the descriptor is looked at the timer is set for the earlier one.
  auto [near, far] = socket_pair();
  REQUIRE(::write(far.get(), "x", 1) == 1);
  Scope scope(loop);
  scope.spawn(disarm_when_readable(loop, std::move(near), earlier));
  loop.run();
  REQUIRE(!trace.empty());  // on a busy machine the earlier one may have rung first
  CHECK(trace.back() == "later");
}

TEST_CASE("an alarm that is due at once rings while nothing else happens") {
  Loop loop;
  auto [near, far] = socket_pair();
  Scope scope(loop);
  scope.spawn(wait_for_ever(loop, std::move(near)));
  ::alarm(20);  // it would wait for ever: that ends the program, and so is seen
  for (int i = 0; i < 3; ++i) loop.block_on(sleep_for(loop, 0ms));
  ::alarm(0);
  CHECK(scope.size() == 1);
}

}  // namespace shed::async
