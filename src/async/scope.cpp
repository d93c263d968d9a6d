#include "shed/async/scope.h"

namespace shed::async {

// The frame at the bottom of a spawned task. It is on the scope's list as long as it lives and
// destroys itself when the task is done.
struct Scope::Child {
  struct promise_type : detail::PooledFrame, Waiter {
    promise_type(Scope& owner, Task<>&) : scope(owner), start() {
      coroutine = std::coroutine_handle<promise_type>::from_promise(*this);
      start.coroutine = coroutine;
      ++scope.size_;
      scope.children_.push_back(*this);
      scope.loop_.wake(start);
    }
    ~promise_type() {
      unlink();
      --scope.size_;
      scope.changed_.wake_all();
    }
    Child get_return_object() const noexcept { return {}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    Scope& scope;
    Waiter start;
  };

  static Child run(Scope&, Task<> task) { co_await std::move(task); }
};

void Scope::spawn(Task<> task) { Child::run(*this, std::move(task)); }

void Scope::cancel() {
  while (!children_.empty()) children_.front().coroutine.destroy();
}

Task<> Scope::join() {
  while (size_ > 0) {
    auto changed = changed_.wait();
    co_await changed;
  }
}

Task<> Scope::below(std::size_t limit) {
  while (size_ >= limit) {
    auto changed = changed_.wait();
    co_await changed;
  }
}

}  // namespace shed::async
