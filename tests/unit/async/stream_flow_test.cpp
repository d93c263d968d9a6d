// Streams whose tasks are dropped, paused or in each other's way.
#include "unit/async/stream_fixture.h"

namespace shed::async {

TEST_CASE_METHOD(StreamFixture, "a dropped read leaves its buffer alone and takes no bytes") {
  auto reused = std::make_unique<std::array<char, 64>>();
  start_reading(*reused);
  scope.cancel();
  reused->fill('#');
  send("hello");
  loop.poll();
  CHECK(std::count(reused->begin(), reused->end(), '#') == 64);
  reused.reset();  // a late read would be seen by the sanitizer
  loop.poll();
  start_reading(buffer);
  CHECK(text() == "hello");
}

TEST_CASE_METHOD(StreamFixture, "a read that is dropped while it is queued takes no bytes") {
  // Alarms ring after descriptors were looked at and before coroutines run.
  class CancellingAlarm : public Alarm {
   public:
    CancellingAlarm(Loop& on, Scope& scope) : Alarm(on), scope_(scope) {}

   private:
    void on_due() override { scope_.cancel(); }
    Scope& scope_;
  };
  CancellingAlarm alarm(loop, scope);
  start_reading(buffer);
  send("hello");
  alarm.arm(0ms);
  loop.poll();
  CHECK(!got.has_value());
  CHECK(scope.size() == 0);
  start_reading(buffer);
  CHECK(text() == "hello");
}

TEST_CASE_METHOD(StreamFixture, "a dropped write sends nothing more and its bytes may go") {
  auto bytes = std::make_unique<std::string>(pattern(kHuge));
  const std::string copy = *bytes;
  scope.spawn(write_all(far, *bytes, status));
  loop.poll();
  scope.cancel();
  bytes->assign(kHuge, '#');
  bytes.reset();
  far.shut_down_writing();
  std::string received;
  loop.block_on(collect(near, received));
  CHECK(received.size() < kHuge);
  CHECK(copy.starts_with(received));
}

TEST_CASE_METHOD(StreamFixture, "a paused reader costs the loop nothing, and finds its bytes later") {
  start_reading(buffer);
  send("one");
  loop.poll();
  CHECK(text() == "one");
  send("two");
  // Nobody waits for them: the poll is disarmed, so the loop has nothing left and returns.
  loop.run();
  send("three");
  loop.run();
  start_reading(buffer);
  CHECK(text() == "twothree");
  start_reading(buffer);
  CHECK(!got.has_value());
  send("four");
  loop.poll();
  CHECK(text() == "four");
}

TEST_CASE_METHOD(StreamFixture, "an end that comes while the reader pauses is seen later") {
  start_reading(buffer);
  send("one");
  loop.poll();
  far.close();
  loop.run();
  start_reading(buffer);
  CHECK(**got == 0);
}

TEST_CASE_METHOD(StreamFixture, "a reader that waits is not disturbed by a writer of the same stream") {
  start_reading(buffer);
  const std::string bytes = pattern(kHuge);
  std::string received;
  scope.spawn(write_all(near, bytes, status));
  scope.spawn(collect(far, received));
  loop.poll();
  CHECK(received == bytes);
  CHECK(!got.has_value());
  send("x");
  loop.poll();
  CHECK(text() == "x");
}

TEST_CASE_METHOD(StreamFixture, "a peer that sends without end leaves others their turn") {
  static constexpr auto read_until = [](Stream& stream, const bool& stop, int& reads) -> Task<> {
    char byte = 0;
    while (!stop) {
      const auto count = co_await stream.read({&byte, 1});
      if (count.value_or(0) != 1) co_return;
      ++reads;
    }
  };
  static constexpr auto wait_then_stop = [](Stream& stream, bool& stop) -> Task<> {
    co_await stream.readable();
    stop = true;
  };
  auto [left, right] = socket_pair();
  Stream other(loop, std::move(left));
  send(pattern(20'000));
  REQUIRE(::write(right.get(), "x", 1) == 1);
  bool stop = false;
  int reads = 0;
  scope.spawn(read_until(near, stop, reads));
  scope.spawn(wait_then_stop(other, stop));
  loop.poll();
  CHECK(stop);
  CHECK(reads < 100);
}

TEST_CASE("two watchers that wait for one descriptor end the process") {
  auto [near, far] = socket_pair();
  static constexpr auto wait_twice = [](Loop& on, int fd) -> Task<> {
    FdWatcher first(on, fd), second(on, fd);
    static constexpr auto wait = [](FdWatcher& watcher) -> Task<> { co_await watcher.readable(); };
    Scope scope(on);
    scope.spawn(wait(first));
    scope.spawn(wait(second));
    co_await scope.join();
  };
  CHECK(aborts([fd = near.get()] {
    Loop loop;
    loop.block_on(wait_twice(loop, fd));
  }));
}

}  // namespace shed::async
