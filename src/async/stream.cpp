#include "shed/async/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "async/handles.h"

namespace shed::async {
namespace {

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

}  // namespace

void make_pollable(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
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

}  // namespace shed::async
