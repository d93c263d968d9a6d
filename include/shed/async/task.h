// Task<T>: a lazy coroutine with one owner.
//
// - Nothing runs before the first co_await (or Scope::spawn).
// - Dropping a Task that has not finished cancels it: its frame is destroyed where it waits, so its
//   destructors run and the code behind the wait does not. A cancelled task yields neither a value
//   nor an error; whoever would have received one is gone too, because it owned the task.
// - A coroutine takes its parameters by value, or by reference to what outlives its owner.
// - An exception that leaves a coroutine is broken code and ends the process.
// - No aggregate with a destructor and no lambda that captures one is made inside an expression with
//   co_await: GCC 12 copies its bytes into the frame and destroys both. Name it first, or name the
//   task:  auto task = offload(loop, [address] { ... });  co_await std::move(task);
//
// Never await inside a condition: `while (co_await x)`. GCC 12 keeps its truth value at the start of
// the frame, where the address to resume at is. Await into a variable, then look at that
// (scripts/check-coroutines refuses the rest).
//
// A task that finishes while it is being started never resumes its parent from inside: GCC 12 with
// AddressSanitizer makes no tail call of symmetric transfer, and a loop over such tasks would
// overflow the stack. await_suspend returns false instead.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace shed::async {

template <class T>
class Task;

namespace detail {

// Frames come from free lists, so that a loop of awaits settles without touching the heap.
// Single-threaded by design: coroutines run on the loop's thread only.
void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

struct PooledFrame {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }
};

struct TaskPromiseBase : PooledFrame {
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
      TaskPromiseBase& promise = finished.promise();
      if (promise.starting) return std::noop_coroutine();
      return promise.parent;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> parent;
  bool starting = false;
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*result); }
  std::optional<T> result;
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      cancel();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { cancel(); }

  // Destroys the frame; the task is empty afterwards. Not from inside the task itself.
  void cancel() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

  // A task is awaited once: co_await std::move(task).
  auto operator co_await() && noexcept {
    struct Awaiter {
      Handle child;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> parent) const noexcept {
        detail::TaskPromiseBase& promise = child.promise();
        promise.parent = parent;
        promise.starting = true;
        child.resume();
        promise.starting = false;
        return !child.done();
      }
      T await_resume() const { return child.promise().take(); }
    };
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> detail::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace shed::async
