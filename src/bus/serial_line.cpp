#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "shed/bus/link_dial.h"

namespace shed::bus {
namespace {

Status check_kind(mode_t mode) {
  if (S_ISCHR(mode)) return {};
  return fail(Errc::kUnsupported, "not a character device");
}

// Bytes as they are, in both directions. Without CLOCAL a line without a modem never opens.
Status set_raw(int fd) {
  termios settings{};
  if (::tcgetattr(fd, &settings) != 0) return std::unexpected(system_error(errno));
  ::cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  if (::tcsetattr(fd, TCSANOW, &settings) != 0) return std::unexpected(system_error(errno));
  return {};
}

Result<UniqueFd> open_device(const std::string& path) {
  struct stat info{};
  // Opening alone can do something to a device of another kind, or wait for it: look first.
  if (::stat(path.c_str(), &info) != 0) return std::unexpected(system_error(errno));
  if (const Status kind = check_kind(info.st_mode); !kind) return propagate(kind);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno));
  if (::fstat(fd.get(), &info) != 0) return std::unexpected(system_error(errno));
  if (const Status kind = check_kind(info.st_mode); !kind) return propagate(kind);
  if (::isatty(fd.get()) == 0) return fd;
  if (const Status raw = set_raw(fd.get()); !raw) return propagate(raw, "set raw");
  return fd;
}

}  // namespace

Result<std::unique_ptr<net::Channel>> open_serial(async::Loop& loop, const std::string& path) {
  auto fd = open_device(path);
  if (!fd) return propagate(fd, path);
  return net::plain_channel(async::Stream(loop, std::move(*fd)));
}

}  // namespace shed::bus
