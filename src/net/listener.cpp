#include "shed/net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "socket_address.h"

namespace shed::net {
namespace {

// Connections that wait while the process is busy or at its limit.
constexpr int kBacklog = 4096;

UniqueFd new_socket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM, 0));
  return fd;
}

bool somebody_answers(const SocketAddress& address) {
  const UniqueFd probe = new_socket(AF_UNIX);
  // A live listener whose queue is full would keep us waiting.
  fcntl(probe.get(), F_SETFL, O_NONBLOCK);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0)
    return true;
  return errno != ECONNREFUSED && errno != ENOENT;  // in doubt it is alive, and not replaced
}

const char* kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "not a socket";
}

// Removes a stale socket of ours; refuses everything else that stands at the path.
Status make_room(const std::string& path, const SocketAddress& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return std::unexpected(system_error(errno));
    const auto slash = path.rfind('/');
    const std::string directory = slash == path.npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    if (::stat(directory.c_str(), &info) == 0) return {};
    return fail(Errc::kNotFound, "the directory {} does not exist", directory);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return fail(Errc::kExists, "{} is in the way; remove it or choose another path", kind_of(info.st_mode));
  }
  if (info.st_uid != ::geteuid()) {
    return fail(Errc::kPermission, "the socket there belongs to user {}; remove it or choose another path",
                info.st_uid);
  }
  if (somebody_answers(address)) return fail(Errc::kExists, "another process listens there");
  if (::unlink(path.c_str()) != 0) return std::unexpected(system_error(errno).in("remove the stale socket"));
  return {};
}

Status bind_and_listen(int fd, const SocketAddress& address) {
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    return std::unexpected(system_error(errno));
  }
  return {};
}

Result<UniqueFd> open_unix(const std::string& path, mode_t mode) {
  const auto address = unix_socket_address(path);
  if (!address) return propagate(address);
  if (const Status room = make_room(path, *address); !room) return propagate(room);
  UniqueFd fd = new_socket(AF_UNIX);
  if (!fd) return std::unexpected(system_error(errno));
  // The file must never exist with more rights than it is to have, not even for a moment.
  const mode_t before = ::umask(static_cast<mode_t>(~mode & 0777));
  const Status bound = bind_and_listen(fd.get(), *address);
  ::umask(before);
  if (!bound) return propagate(bound);
  return fd;
}

Result<UniqueFd> open_tcp(const Address& address) {
  const auto native = literal_socket_address(address);
  if (!native) return propagate(native);
  UniqueFd fd = new_socket(native->storage.ss_family);
  if (!fd) return std::unexpected(system_error(errno));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  set_tcp_options(fd.get());  // inherited by the connections
  if (const Status bound = bind_and_listen(fd.get(), *native); !bound) return propagate(bound);
  return fd;
}

Result<UniqueFd> open_vsock(const VsockAddress& address) {
  const auto native = vsock_socket_address(address);
  if (!native) return propagate(native);
  UniqueFd fd = new_socket(native->storage.ss_family);
  if (!fd) return std::unexpected(system_error(errno));
  if (const Status bound = bind_and_listen(fd.get(), *native); !bound) return propagate(bound);
  return fd;
}

Result<UniqueFd> open_socket(const Address& address, mode_t mode) {
  if (address.is_unix()) return open_unix(address.unix_path, mode);
  if (address.is_vsock()) return open_vsock(*address.vsock);
  return open_tcp(address);
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length);
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

}  // namespace

Result<Listener> Listener::open(async::Loop& loop, const Address& address, mode_t mode) {
  auto fd = open_socket(address, mode);
  if (!fd) return propagate(fd, address.is_unix() ? address.unix_path : address.text());
  return Listener(loop, address, std::move(*fd));
}

Listener::Listener(async::Loop& loop, Address address, UniqueFd fd) : address_(std::move(address)) {
  if (address_.is_unix()) {
    struct stat info{};
    if (::lstat(address_.unix_path.c_str(), &info) == 0) {
      device_ = info.st_dev;
      inode_ = info.st_ino;
    }
  } else if (!address_.is_vsock()) {
    address_.port = bound_port(fd.get());
  }
  acceptor_.emplace(loop, std::move(fd));
}

Listener::Listener(Listener&& other) noexcept
    : address_(std::move(other.address_)),
      acceptor_(std::move(other.acceptor_)),
      device_(other.device_),
      inode_(other.inode_) {
  other.acceptor_.reset();
}

Listener::~Listener() {
  if (!acceptor_ || !address_.is_unix()) return;
  struct stat info{};
  const char* path = address_.unix_path.c_str();
  if (::lstat(path, &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) ::unlink(path);
}

}  // namespace shed::net
