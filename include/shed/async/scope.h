// Scope: tasks that run beside their owner and never outlive it.
#pragma once

#include <cstddef>

#include "shed/async/event.h"
#include "shed/async/loop.h"
#include "shed/base/result.h"

namespace shed::async {

class Scope {
 public:
  explicit Scope(Loop& loop) : loop_(loop), changed_(loop) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  // Cancels what still runs.
  ~Scope() { cancel(); }

  // Starts the task at the loop's next turn. Its frame goes when it finishes.
  void spawn(Task<> task);

  // Destroys every task of the scope. Not from inside one of them.
  void cancel();

  std::size_t size() const { return size_; }
  Loop& loop() const { return loop_; }

  // Waits until no task is left.
  Task<> join();
  // Waits until fewer than `limit` tasks are left: the way to bound what is spawned.
  Task<> below(std::size_t limit);

 private:
  struct Child;
  Loop& loop_;
  IntrusiveList<Waiter> children_;
  std::size_t size_ = 0;
  Event changed_;
};

namespace detail {
template <class T>
Task<> store_and_signal(Task<T> task, std::optional<T>& slot, Event& done) {
  slot.emplace(co_await std::move(task));
  done.set();
}
}  // namespace detail

// The task's result, or Errc::kTimeout ("no answer within 3s") when `limit` passes first; the task
// is cancelled then.
template <class T>
Task<Result<T>> with_timeout(Loop& loop, Millis limit, Task<Result<T>> task) {
  std::optional<Result<T>> slot;
  Event done(loop);
  Scope scope(loop);
  scope.spawn(detail::store_and_signal(std::move(task), slot, done));
  const bool in_time = co_await done.wait_for(limit);
  if (!in_time) co_return fail(Errc::kTimeout, "no answer within {}", format_duration(limit));
  co_return std::move(*slot);
}

}  // namespace shed::async
