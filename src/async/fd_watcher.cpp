#include <uv.h>

#include <cstdlib>

#include "shed/async/stream.h"
#include "shed/base/log.h"

namespace shed::async {
namespace {

[[noreturn]] void die_watched_twice() {
  log::error("a descriptor has two watchers; this is a bug");
  std::abort();
}

}  // namespace

// Lives until libuv has closed the handle, which is later than the watcher.
struct FdWatcher::State {
  State(Loop& l, int fd) : loop(l), pollable(init(l, fd)) { poll.data = this; }

  // False for what the system does not poll: a regular file, say. That is always ready.
  bool init(Loop& l, int fd) {
    const int error = uv_poll_init(l.native(), &poll, fd);
    if (error == UV_EEXIST) die_watched_twice();
    return error == 0;
  }

  // The poll stays armed between waits. Only readiness that nobody waits for disarms it, so a
  // conversation of requests and answers never changes the kernel's interest list.
  void want(int event) {
    if (!pollable) on_event(event);
    if (!pollable || (armed & event) != 0) return;
    armed |= event;
    start();
  }
  void start() {
    // Stops where nothing is wanted.
    const int error = uv_poll_start(&poll, armed, [](uv_poll_t* handle, int status, int events) {
      auto* self = static_cast<State*>(handle->data);
      if (status >= 0) return self->on_event(events);
      // The descriptor has an error to report, and libuv has stopped polling: the next read or
      // write of whoever waits gets that error.
      self->armed = 0;
      self->on_event(UV_READABLE | UV_WRITABLE);
    });
    if (error == UV_EEXIST) die_watched_twice();
  }
  void on_event(int events) {
    const int before = armed;
    wake_or_disarm(reader, events, UV_READABLE);
    wake_or_disarm(writer, events, UV_WRITABLE);
    if (pollable && armed != before) start();
  }
  void wake_or_disarm(IntrusiveList<Waiter>& waiters, int events, int event) {
    if ((events & event) == 0) return;
    if (waiters.empty()) {
      armed &= ~event;
    } else {
      loop.wake(waiters.front());
    }
    // Sockets are writable nearly always: interest in it is for one wait.
    if (event == UV_WRITABLE) armed &= ~event;
  }

  Loop& loop;
  uv_poll_t poll{};
  const bool pollable;
  int armed = 0;
  IntrusiveList<Waiter> reader, writer;
};

FdWatcher::FdWatcher(Loop& loop, int fd)
    : state_(new State(loop, fd), [](State* state) {
        if (!state->pollable) return delete state;
        uv_close(reinterpret_cast<uv_handle_t*>(&state->poll),
                 [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
      }) {}

FdWatcher::FdWatcher(FdWatcher&&) noexcept = default;
FdWatcher& FdWatcher::operator=(FdWatcher&&) noexcept = default;
FdWatcher::~FdWatcher() = default;

void FdWatcher::Ready::await_suspend(std::coroutine_handle<> coroutine) {
  waiter_.coroutine = coroutine;
  State& state = *watcher_.state_;
  const bool reading = direction_ == Direction::kRead;
  (reading ? state.reader : state.writer).push_back(waiter_);
  state.want(reading ? UV_READABLE : UV_WRITABLE);
}

}  // namespace shed::async
