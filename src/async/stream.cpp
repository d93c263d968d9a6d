#include "shed/async/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::async {
namespace {

// After "too many open files": connections end by themselves, so look again soon.
constexpr Millis kDescriptorPause{50};
// After a unix socket's "listen queue full", which no poll reports: the server is at work, so soon.
constexpr Millis kBacklogPause{10};
// Reads that are answered at once, and connections that are there at once, before everybody else
// gets a turn: a peer that never pauses must not own the loop.
constexpr unsigned kInARow = 16;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // the loop ignores SIGPIPE
#endif

bool is_connection_reset(int error) { return error == ECONNRESET || error == EPIPE || error == ENOTCONN; }

std::unexpected<Error> io_error(int error) {
  if (is_connection_reset(error)) return fail(Errc::kClosed, "connection reset by peer");
  return std::unexpected(system_error(error));
}

void make_pollable(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

int accept_pollable(int listener) {
#ifdef __linux__
  return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd >= 0) make_pollable(fd);
  return fd;
#endif
}

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
        uv_poll_stop(&state->poll);
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

Stream::Stream(Loop& loop, UniqueFd fd) : fd_(std::move(fd)) {
  make_pollable(fd_.get());
  watcher_.emplace(loop, fd_.get());
}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  watcher_ = std::move(other.watcher_);
  drained_ = other.drained_;
  return *this;
}

void Stream::close() {
  watcher_.reset();  // before the descriptor, which it watches
  fd_.reset();
}

Result<std::optional<std::size_t>> Stream::try_read(std::span<char> into) {
  for (;;) {
    const ssize_t count = ::read(fd_.get(), into.data(), into.size());
    if (count >= 0) {
      drained_ = static_cast<std::size_t>(count) < into.size() && count > 0;
      return static_cast<std::size_t>(count);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drained_ = true;
      return std::nullopt;
    }
    if (errno != EINTR) return io_error(errno);
  }
}

Task<Result<std::size_t>> Stream::read(std::span<char> into) {
  for (;;) {
    if (!watcher_) co_return fail(Errc::kClosed, "the connection is closed");
    if (drained_ || reads_in_a_row_ >= kInARow) {
      reads_in_a_row_ = 0;
      auto ready = watcher_->readable();
      co_await ready;
    }
    ++reads_in_a_row_;
    const auto count = try_read(into);
    if (!count) co_return propagate(count);
    if (*count) co_return **count;
  }
}

Task<Status> Stream::read_exactly(std::span<char> into) {
  while (!into.empty()) {
    const auto count = co_await read(into);
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kClosed, "the connection ended in the middle");
    into = into.subspan(*count);
  }
  co_return Status{};
}

Task<Status> Stream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), kSendFlags);
    if (count < 0 && errno == ENOTSOCK) count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      auto ready = watcher_->writable();
      co_await ready;
    } else if (errno != EINTR) {
      co_return io_error(errno);
    }
  }
  co_return Status{};
}

Task<Status> Stream::write(std::string_view first, std::string_view second) {
  std::array<iovec, 2> parts{
      {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t count = ::sendmsg(fd_.get(), &message, kSendFlags);
  // Whatever went wrong here goes wrong again, and is handled, in the plain write.
  const std::size_t sent = count > 0 ? static_cast<std::size_t>(count) : 0;
  if (sent < first.size()) {
    const Status status = co_await write(first.substr(sent));
    if (!status) co_return status;
    co_return co_await write(second);
  }
  co_return co_await write(second.substr(sent - first.size()));
}

void Stream::shut_down_writing() { ::shutdown(fd_.get(), SHUT_WR); }

Result<PeerCredentials> Stream::peer_credentials() const {
#ifdef SO_PEERCRED
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return std::unexpected(system_error(errno));
  }
  return PeerCredentials{peer.uid, peer.pid};
#else
  uid_t user = 0;
  gid_t group = 0;
  if (getpeereid(fd_.get(), &user, &group) != 0) return std::unexpected(system_error(errno));
  return PeerCredentials{user, 0};
#endif
}

Acceptor::Acceptor(Loop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)), watcher_(loop, fd_.get()) {
  make_pollable(fd_.get());
}

Task<Result<UniqueFd>> Acceptor::accept() {
  for (;;) {
    if (accepted_in_a_row_ >= kInARow) {
      accepted_in_a_row_ = 0;
      auto ready = watcher_.readable();
      co_await ready;
    }
    const int fd = accept_pollable(fd_.get());
    if (fd >= 0) {
      ++accepted_in_a_row_;
      co_return UniqueFd(fd);
    }
    switch (errno) {
      case EAGAIN:
#if EAGAIN != EWOULDBLOCK
      case EWOULDBLOCK:
#endif
        accepted_in_a_row_ = kInARow;  // waits
        break;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: {
        auto pause = loop_.sleep(kDescriptorPause);
        co_await pause;
        break;
      }
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case EPERM:  // a firewall's rule
      // Linux reports what happened to the connection while it was in the queue.
      case ENETDOWN:
      case ENETUNREACH:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case ENOPROTOOPT:
#ifdef ENONET
      case ENONET:
#endif
        break;
      default:
        co_return std::unexpected(system_error(errno));
    }
  }
}

namespace {

Task<Status> finish_connect(Loop& loop, int fd) {
  FdWatcher watcher(loop, fd);
  auto ready = watcher.writable();
  co_await ready;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) co_return std::unexpected(system_error(error));
  co_return Status{};
}

// The socket of a unix server with a full listen queue answers EAGAIN and stays unconnected.
Task<Status> connect(Loop& loop, int fd, sockaddr_storage address, socklen_t length) {
  while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    // An interrupted attempt goes on without us.
    if (errno == EINPROGRESS || errno == EINTR) co_return co_await finish_connect(loop, fd);
    if (errno != EAGAIN) co_return std::unexpected(system_error(errno));
    auto pause = loop.sleep(kBacklogPause);
    co_await pause;
  }
  co_return Status{};
}

}  // namespace

Task<Result<UniqueFd>> connect_socket(Loop& loop, UniqueFd socket, const void* address, unsigned length,
                                      Millis limit) {
  sockaddr_storage copy{};
  if (length > sizeof copy) co_return fail(Errc::kInvalid, "the address is too long");
  std::memcpy(&copy, address, length);
  make_pollable(socket.get());
  const Status status = co_await with_timeout(loop, limit, connect(loop, socket.get(), copy, length));
  if (!status) co_return propagate(status);
  co_return socket;
}

}  // namespace shed::async
