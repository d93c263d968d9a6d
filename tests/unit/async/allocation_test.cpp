// Counts what comes from the heap. Not under sanitizers: frames are not pooled there, so that a use
// after free is seen.
#ifndef SHED_SANITIZED

#include <atomic>
#include <cstdlib>
#include <new>

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace shed::async {
namespace {

using namespace std::chrono_literals;

Task<int> number(Loop& loop, int value) {
  co_await loop.turn();
  co_return value;
}
Task<int> sum(Loop& loop, int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) total += co_await number(loop, 1);
  co_return total;
}
Task<Result<int>> in_time(Loop& loop, int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) {
    const auto part = co_await with_timeout(
        loop, 1s, [](Loop& on) -> Task<Result<int>> { co_return co_await number(on, 1); }(loop));
    if (!part) co_return propagate(part);
    total += *part;
  }
  co_return total;
}
Task<> echo(Stream& stream) {
  std::array<char, 64> message;
  for (;;) {
    const auto count = co_await stream.read(message);
    if (!count || *count == 0) co_return;
    const Status written = co_await stream.write({message.data(), *count});
    if (!written) co_return;
  }
}
Task<int> converse(Stream& stream, int rounds) {
  std::array<char, 4> answer;
  int answers = 0;
  for (int i = 0; i < rounds; ++i) {
    const Status asked = co_await stream.write("pi", "ng");
    const Status answered = co_await stream.read_exactly(answer);
    if (asked && answered) ++answers;
  }
  co_return answers;
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a loop of awaits settles without touching the heap") {
  CHECK(loop.block_on(sum(loop, 10)) == 10);
  const long before = allocations;
  const int total = loop.block_on(sum(loop, 10'000));
  const long after = allocations;
  CHECK(total == 10'000);
  CHECK(after == before);
}

TEST_CASE_METHOD(LoopFixture, "waits with a limit settle without touching the heap") {
  REQUIRE(loop.block_on(in_time(loop, 10)).has_value());
  const long before = allocations;
  const auto total = loop.block_on(in_time(loop, 10'000));
  const long after = allocations;
  CHECK(total.value() == 10'000);
  CHECK(after == before);
}

TEST_CASE_METHOD(LoopFixture, "a conversation over streams settles without touching the heap") {
  auto [left, right] = socket_pair();
  Stream near(loop, std::move(left)), far(loop, std::move(right));
  Scope scope(loop);
  scope.spawn(echo(far));
  CHECK(loop.block_on(converse(near, 10)) == 10);
  const long before = allocations;
  const int answers = loop.block_on(converse(near, 1'000));
  const long after = allocations;
  CHECK(answers == 1'000);
  CHECK(after == before);
}

}  // namespace shed::async

#endif
