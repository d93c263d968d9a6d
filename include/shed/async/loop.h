// The event loop: one thread, libuv underneath, a queue of coroutines to resume on top.
//
// Nothing resumes another coroutine directly: it puts it on the loop's queue. So no task ever runs
// inside another one, and a task may drop any other task but itself and its owners.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "shed/async/list.h"
#include "shed/async/task.h"
#include "shed/base/clock.h"

struct uv_loop_s;

namespace shed::async {

class Loop;

// A coroutine that waits for something. Lives in its frame; leaves every queue when the frame dies.
class Waiter : public ListHook {
 public:
  std::coroutine_handle<> coroutine;
  bool queued = false;  // on the loop's queue: what it waited for has come
};

// Calls on_due() once at a point in time; forgets it when destroyed or disarmed. Alarms of the same
// moment ring in the order in which they were armed; one that is armed while others ring waits for
// the loop's next round. Delays of more than a century ring after a century.
class Alarm {
 public:
  explicit Alarm(Loop& loop) : loop_(loop) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual ~Alarm() { disarm(); }

  void arm(Millis delay);
  void disarm();
  bool armed() const { return position_ != kNowhere; }

 protected:
  virtual void on_due() = 0;
  Loop& loop_;

 private:
  friend class Loop;
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  bool before(const Alarm& other) const {
    return due_ != other.due_ ? due_ < other.due_ : order_ < other.order_;
  }
  SteadyTime due_{};
  std::uint64_t order_ = 0;          // when it was armed, among all alarms of the loop
  std::size_t position_ = kNowhere;  // in the loop's heap
};

class Loop {
 public:
  // With another clock than the system's, time stands still until that clock is moved and poll()
  // is called: for tests. Ignores SIGPIPE in this process (children get the default back): a peer
  // that went away is Errc::kClosed where it was written to, not the end of the program.
  explicit Loop(const Clock& clock = system_clock());
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  // Every task, stream and watcher of the loop must be gone by now, or the process ends with a
  // message. Waits for work on the pool that has begun; children that were let go stay alone.
  ~Loop();

  const Clock& clock() const { return clock_; }

  // Runs until stop(), or until nothing is left that could happen. Not from inside a task.
  void run();
  void stop() { stopped_ = true; }
  // Does what can be done without waiting: due alarms, ready descriptors, queued coroutines. Ends
  // early after stop().
  void poll();

  // Runs the loop until the task is done and returns its value. Ends the process with a message
  // when nothing is left that could finish it. stop() does not end it. For main() and tests.
  template <class T>
  T block_on(Task<T> task);

  // Puts the waiter's coroutine on the queue, taking it off any other list first. One that is queued
  // already keeps its place.
  void wake(Waiter& waiter) {
    if (waiter.queued) return;
    waiter.queued = true;
    ready_.push_back(waiter);
  }

  // co_await loop.sleep(200ms)
  class Sleep;
  Sleep sleep(Millis duration);

  // co_await loop.turn(): after everything that is queued now.
  class Turn;
  Turn turn();

  // For this room only.
  uv_loop_s* native() const;

 private:
  friend class Alarm;
  struct Native;

  void add_alarm(Alarm& alarm);
  void remove_alarm(Alarm& alarm);
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);
  void place(Alarm& alarm, std::size_t position);
  void ring_due_alarms();
  bool has_system_time() const { return &clock_ == &system_clock(); }
  void schedule_next_alarm();
  bool resume_ready();
  bool wait_for_more();
  [[noreturn]] static void die_waiting();

  const Clock& clock_;
  IntrusiveList<Waiter> ready_;
  std::vector<Alarm*> alarms_;  // a binary heap, earliest first
  std::uint64_t alarms_armed_ = 0;
  bool stopped_ = false;
  std::unique_ptr<Native> native_;
};

class [[nodiscard]] Loop::Sleep : private Alarm {
 public:
  Sleep(Loop& loop, Millis duration) : Alarm(loop), duration_(duration) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiter_.coroutine = coroutine;
    arm(duration_);
  }
  void await_resume() const noexcept {}

 private:
  void on_due() override { loop_.wake(waiter_); }
  Millis duration_;
  Waiter waiter_;
};

inline Loop::Sleep Loop::sleep(Millis duration) { return {*this, duration}; }

class [[nodiscard]] Loop::Turn {
 public:
  explicit Turn(Loop& loop) : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiter_.coroutine = coroutine;
    loop_.wake(waiter_);
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  Waiter waiter_;
};

inline Loop::Turn Loop::turn() { return Turn(*this); }

namespace detail {

// The frame at the bottom of a stack of tasks that block_on() runs.
struct BlockingFrame {
  struct promise_type : PooledFrame {
    BlockingFrame get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

template <class T>
BlockingFrame store_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}
inline BlockingFrame store_result(Task<> task) { co_await std::move(task); }

}  // namespace detail

template <class T>
T Loop::block_on(Task<T> task) {
  const auto drive = [this](std::coroutine_handle<> frame) {
    Waiter start;
    start.coroutine = frame;
    wake(start);
    for (;;) {
      stopped_ = false;
      resume_ready();
      if (frame.done()) break;  // before the loop waits for what else may come
      if (!wait_for_more()) die_waiting();
    }
    frame.destroy();
  };
  if constexpr (std::is_void_v<T>) {
    drive(detail::store_result(std::move(task)).handle);
  } else {
    std::optional<T> result;
    drive(detail::store_result(std::move(task), result).handle);
    return std::move(*result);
  }
}

}  // namespace shed::async
