// Work that blocks (RSA signing, name look-up) goes to libuv's thread pool.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "shed/async/event.h"
#include "shed/async/loop.h"

namespace shed::async {

namespace detail {

// A function on the pool. Destroying it takes the function off the pool's queue where no thread has
// begun it; one that has begun runs to its end. The function itself is destroyed on the loop's
// thread.
class PoolWork {
 public:
  PoolWork(Loop& loop, std::function<void()> function);
  PoolWork(const PoolWork&) = delete;
  PoolWork& operator=(const PoolWork&) = delete;
  ~PoolWork();

  Event& done();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace detail

// The function's result, computed on another thread. It must own what it uses: a dropped task
// cannot stop work that runs, it only forgets the result. A dropped task whose work waits for a
// thread takes it off the queue. Name the task before it is awaited (see task.h).
template <class Function>
auto offload(Loop& loop, Function function) -> Task<decltype(function())> {
  struct Shared {
    explicit Shared(Function f) : function(std::move(f)) {}
    Function function;
    std::optional<decltype(function())> result;
  };
  auto shared = std::make_shared<Shared>(std::move(function));
  detail::PoolWork work(loop, [shared] { shared->result.emplace(shared->function()); });
  auto done = work.done().wait();
  co_await done;
  co_return std::move(*shared->result);
}

}  // namespace shed::async
