// Acceptor and connect_socket: where streams come from.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "async/handles.h"
#include "shed/async/scope.h"
#include "shed/async/stream.h"

namespace shed::async {
namespace {

// After "too many open files": connections end by themselves, so look again soon.
constexpr Millis kDescriptorPause{50};
// After a unix socket's "listen queue full", which no poll reports: the server is at work, so soon.
constexpr Millis kBacklogPause{10};

int accept_pollable(int listener) {
#ifdef __linux__
  return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd >= 0) make_pollable(fd);
  return fd;
#endif
}

}  // namespace

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
      case ENOMEM:
      case EPERM: {  // a firewall's rule, or one against the call as such: no reason to spin
        auto pause = loop_.sleep(kDescriptorPause);
        co_await pause;
        break;
      }
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      // Linux reports what happened to the connection while it was in the queue.
      case ENETDOWN:
      case ENETUNREACH:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case ENOPROTOOPT:
#ifdef ENONET
      case ENONET:
#endif
        ++accepted_in_a_row_;
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
