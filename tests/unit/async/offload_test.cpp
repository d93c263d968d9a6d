#include "shed/async/offload.h"

#include <cstdlib>
#include <latch>
#include <memory>
#include <thread>

#include "unit/async/support.h"

namespace shed::async {
namespace {

Task<int> doubled(Loop& loop, int value) {
  auto task = offload(loop, [value] { return 2 * value; });
  co_return co_await std::move(task);
}

Task<> store_thread(Loop& loop, std::thread::id& id) {
  id = co_await offload(loop, [] { return std::this_thread::get_id(); });
}

struct Gate {
  std::latch begun{1};
  std::latch may_end{1};
};

Task<> pass(Loop& loop, std::shared_ptr<Gate> gate, Trace& trace) {
  auto task = offload(loop, [gate] {
    gate->begun.count_down();
    gate->may_end.wait();
    return 1;
  });
  const int value = co_await std::move(task);
  trace.push_back("result " + std::to_string(value));
}

Task<> set_flag(Loop& loop, std::shared_ptr<bool> ran) {
  auto task = offload(loop, [ran] { return *ran = true; });
  co_await std::move(task);
}

int pool_size() {
  const char* size = std::getenv("UV_THREADPOOL_SIZE");
  return size == nullptr ? 4 : std::max(1, std::atoi(size));
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "offloaded work yields its result") {
  CHECK(loop.block_on(doubled(loop, 21)) == 42);
}

TEST_CASE_METHOD(LoopFixture, "offloaded work yields what can only be moved") {
  static constexpr auto boxed = [](Loop& on) -> Task<std::unique_ptr<int>> {
    auto box = std::make_unique<int>(5);
    auto task = offload(on, [moved = std::move(box)]() mutable { return std::move(moved); });
    co_return co_await std::move(task);
  };
  CHECK(*loop.block_on(boxed(loop)) == 5);
}

TEST_CASE_METHOD(LoopFixture, "offloaded work runs on another thread") {
  std::thread::id id = std::this_thread::get_id();
  loop.block_on(store_thread(loop, id));
  CHECK(id != std::this_thread::get_id());
}

TEST_CASE_METHOD(LoopFixture, "the loop goes on while offloaded work runs") {
  const auto gate = std::make_shared<Gate>();
  Trace trace;
  Scope scope(loop);
  scope.spawn(pass(loop, gate, trace));
  loop.poll();
  gate->begun.wait();
  loop.poll();
  CHECK(trace.empty());
  gate->may_end.count_down();
  loop.block_on(scope.join());
  CHECK(trace == Trace{"result 1"});
}

TEST_CASE_METHOD(LoopFixture, "a task that is dropped while its work runs forgets the result") {
  const auto gate = std::make_shared<Gate>();
  Trace trace;
  {
    Scope scope(loop);
    scope.spawn(pass(loop, gate, trace));
    loop.poll();
    gate->begun.wait();
  }
  CHECK(gate.use_count() > 1);
  gate->may_end.count_down();
  loop.run();
  CHECK(trace.empty());
  CHECK(gate.use_count() == 1);
}

TEST_CASE("a loop that ends waits for work that runs") {
  const auto gate = std::make_shared<Gate>();
  Trace trace;
  {
    Loop loop;
    {
      Scope scope(loop);
      scope.spawn(pass(loop, gate, trace));
      loop.poll();
      gate->begun.wait();
    }
    gate->may_end.count_down();
  }
  CHECK(trace.empty());
  CHECK(gate.use_count() == 1);
}

TEST_CASE_METHOD(LoopFixture, "work of a dropped task that no thread has begun is never begun") {
  std::vector<std::shared_ptr<Gate>> gates;
  Trace trace;
  Scope scope(loop), dropped(loop);
  for (int i = 0; i < pool_size(); ++i) {
    gates.push_back(std::make_shared<Gate>());
    scope.spawn(pass(loop, gates.back(), trace));
  }
  loop.poll();
  for (const auto& gate : gates) gate->begun.wait();
  const auto ran = std::make_shared<bool>(false);
  dropped.spawn(set_flag(loop, ran));
  loop.poll();
  dropped.cancel();
  loop.poll();
  CHECK(ran.use_count() == 1);
  for (const auto& gate : gates) gate->may_end.count_down();
  loop.block_on(scope.join());
  CHECK(trace.size() == gates.size());
  CHECK(!*ran);
}

TEST_CASE_METHOD(LoopFixture, "a thousand pieces of work all come back") {
  static constexpr auto add = [](Loop& on, int value, long& sum) -> Task<> {
    sum += co_await doubled(on, value);
  };
  long sum = 0;
  Scope scope(loop);
  for (int i = 0; i < 1'000; ++i) scope.spawn(add(loop, i, sum));
  loop.block_on(scope.join());
  CHECK(sum == 999'000);
}

}  // namespace shed::async
