// Free lists for coroutine frames, by size. Under AddressSanitizer every frame comes from the heap,
// so that a use after free is seen.
#include <array>
#include <new>

#include "shed/async/task.h"

namespace shed::async::detail {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kClasses = 64;     // frames up to 4 KiB; larger ones are rare and go to the heap
constexpr unsigned kKeptPerClass = 128;  // what a burst leaves behind is given back beyond this

struct FreeFrame {
  FreeFrame* next;
};
struct SizeClass {
  FreeFrame* first = nullptr;
  unsigned count = 0;
};

// One pool a thread, though only the loop's thread has coroutines: tests run loops on their own.
thread_local std::array<SizeClass, kClasses> pool;

constexpr std::size_t class_of(std::size_t size) { return (size + kStep - 1) / kStep; }

#if defined(SHED_SANITIZED)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = class_of(size);
  if (!kPooled || index >= kClasses) return ::operator new(size);
  SizeClass& list = pool[index];
  if (list.first == nullptr) return ::operator new(index * kStep);
  FreeFrame* frame = list.first;
  list.first = frame->next;
  --list.count;
  return frame;
}

void free_frame(void* frame, std::size_t size) noexcept {
  const std::size_t index = class_of(size);
  if (!kPooled || index >= kClasses || pool[index].count >= kKeptPerClass) {
    ::operator delete(frame);
    return;
  }
  SizeClass& list = pool[index];
  list.first = new (frame) FreeFrame{list.first};
  ++list.count;
}

}  // namespace shed::async::detail
