// Event: something that happened, and those who wait for it.
#pragma once

#include "shed/async/loop.h"

namespace shed::async {

// Stays set until reset(). set() queues the waiters, it does not run them. Should outlive its
// waiters (both live in the same scope as a rule): who waits for an event that ends is never woken.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}

  void set() {
    set_ = true;
    wake_all();
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }

  // Wakes those who wait now and stays as it is: for "something changed, look again".
  void wake_all() {
    while (!waiters_.empty()) loop_.wake(waiters_.front());
  }

  class [[nodiscard]] Wait {
   public:
    explicit Wait(Event& event) : event_(event) {}
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      waiter_.coroutine = coroutine;
      event_.waiters_.push_back(waiter_);
    }
    void await_resume() const noexcept {}

   private:
    Event& event_;
    Waiter waiter_;
  };
  Wait wait() { return Wait(*this); }

  // True when the event came, false when the time ran out first.
  class [[nodiscard]] TimedWait : private Alarm {
   public:
    TimedWait(Event& event, Millis limit) : Alarm(event.loop_), event_(event), limit_(limit) {}
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      waiter_.coroutine = coroutine;
      event_.waiters_.push_back(waiter_);
      arm(limit_);
    }
    bool await_resume() {
      disarm();
      return !timed_out_;
    }

   private:
    void on_due() override {
      if (waiter_.queued) return;  // the event came first, its waiter only has not run yet
      timed_out_ = true;
      loop_.wake(waiter_);
    }
    Event& event_;
    Millis limit_;
    Waiter waiter_;
    bool timed_out_ = false;
  };
  TimedWait wait_for(Millis limit) { return {*this, limit}; }

 private:
  Loop& loop_;
  IntrusiveList<Waiter> waiters_;
  bool set_ = false;
};

}  // namespace shed::async
