// Stream: a connected, non-blocking byte stream over any pollable descriptor (unix socket, TCP,
// vsock, pipe). Acceptor: a listening one.
//
// Reads and writes are plain system calls, made when libuv says that the descriptor is ready. So
// the bytes go straight between the kernel and the caller's buffer, and a wait that is dropped
// leaves no request behind that could still touch that buffer.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/base/file.h"
#include "shed/base/result.h"

namespace shed::async {

// Tells when a descriptor is ready. At most one reader and one writer wait at a time, and at most
// one watcher watches a descriptor (a second one ends the process: it would never be told).
class FdWatcher {
 public:
  // Does not own the descriptor; it must stay open until the watcher is gone.
  FdWatcher(Loop& loop, int fd);
  FdWatcher(FdWatcher&&) noexcept;
  FdWatcher& operator=(FdWatcher&&) noexcept;
  ~FdWatcher();

  enum class Direction { kRead, kWrite };
  class [[nodiscard]] Ready {
   public:
    Ready(FdWatcher& watcher, Direction direction) : watcher_(watcher), direction_(direction) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine);
    void await_resume() const noexcept {}

   private:
    FdWatcher& watcher_;
    Direction direction_;
    Waiter waiter_;
  };
  Ready readable() { return {*this, Direction::kRead}; }
  Ready writable() { return {*this, Direction::kWrite}; }

 private:
  struct State;
  std::unique_ptr<State, void (*)(State*)> state_;
};

// Who is at the other end of a unix socket.
struct PeerCredentials {
  uid_t user;
  pid_t process;  // 0 where the system does not tell
};

class Stream {
 public:
  // Owns `fd`, which it makes non-blocking and close-on-exec.
  Stream(Loop& loop, UniqueFd fd);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  // The next bytes, at least one; 0 at the end of the stream. Errc::kClosed when the peer reset it
  // or it was closed here. `into` has room for at least one byte. A peer that sends without end does
  // not keep others from their turn.
  Task<Result<std::size_t>> read(std::span<char> into);
  // Exactly that many bytes; Errc::kClosed when the stream ends before.
  Task<Status> read_exactly(std::span<char> into);
  // All of it; Errc::kClosed when nobody reads any more. The bytes must stay until the task is done
  // or dropped. How much of a dropped write has gone out is unknown.
  Task<Status> write(std::string_view bytes);
  // Both parts, in one system call where the kernel takes them.
  Task<Status> write(std::string_view first, std::string_view second);
  // Nothing more will be written; reading goes on. Of a socket: a pipe has one direction only.
  void shut_down_writing();
  // Who waits for this stream is not woken: drop it first.
  void close();

  // Without waiting: bytes, 0 at the end, or nothing when there is nothing to read now.
  Result<std::optional<std::size_t>> try_read(std::span<char> into);
  // Waits until reading would not block (bytes, the end, or an error).
  FdWatcher::Ready readable() { return watcher_->readable(); }
  // Waits until the kernel takes bytes again, for who writes to fd() itself.
  FdWatcher::Ready writable() { return watcher_->writable(); }

  // Of a unix socket.
  Result<PeerCredentials> peer_credentials() const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::optional<FdWatcher> watcher_;
  bool drained_ = true;  // the last read took all there was: wait before the next
  unsigned reads_in_a_row_ = 0;
};

class Acceptor {
 public:
  // Owns `fd`, which listens already.
  Acceptor(Loop& loop, UniqueFd fd);

  // The next connection. Errors that concern one connection only are passed over; when the process
  // is out of descriptors it waits and tries again, so the next one stays in the listen queue.
  Task<Result<UniqueFd>> accept();
  int fd() const { return fd_.get(); }

 private:
  Loop& loop_;
  UniqueFd fd_;
  FdWatcher watcher_;
  unsigned accepted_in_a_row_ = 0;
};

// Connects a socket, which it makes non-blocking. Errc::kTimeout after `limit`, also when a unix
// socket's listen queue stays full for that long. The address must stay until the task has started.
Task<Result<UniqueFd>> connect_socket(Loop& loop, UniqueFd socket, const void* address, unsigned length,
                                      Millis limit);

}  // namespace shed::async
