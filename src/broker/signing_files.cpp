#include "broker/signing_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

namespace shed::broker {
namespace {

std::unexpected<Error> failure() {
  return std::unexpected(Error(system_error(errno).code(), std::strerror(errno)));
}

mode_t mode_of_new_files() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

bool write_whole(UniqueFd fd, std::string_view bytes) {
  if (::fchmod(fd.get(), mode_of_new_files()) != 0) return false;
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  // Some file systems report a full disk only here.
  return ::close(fd.release()) == 0;
}

// The number in "/dev/fd/63", which is what a shell makes of <(program). While nobody may trace this process
// that folder is root's, so the descriptor itself is taken.
std::optional<int> descriptor_in(std::string_view path) {
  constexpr std::string_view kFolder = "/dev/fd/";
  int number = 0;
  if (!path.starts_with(kFolder)) return std::nullopt;
  const auto [end, error] = std::from_chars(path.data() + kFolder.size(), path.data() + path.size(), number);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<UniqueFd> open_input(const std::string& path) {
  const auto number = descriptor_in(path);
  UniqueFd fd(number ? ::fcntl(*number, F_DUPFD_CLOEXEC, 0)
                     : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return failure();
  return fd;
}

Result<std::size_t> read_input_part(int fd, InputPart& part) {
  ssize_t count = 0;
  do {
    count = ::read(fd, part.data(), part.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return failure();
  return static_cast<std::size_t>(count);
}

Result<std::string> read_input(int fd, std::size_t limit) {
  std::string text;
  InputPart part;
  for (;;) {
    const auto count = read_input_part(fd, part);
    if (!count) return propagate(count);
    if (*count == 0) return text;
    if (*count > limit - text.size()) return fail(Errc::kLimit, "larger than {} bytes", limit);
    text.append(part.data(), *count);
  }
}

Result<std::string> read_input(const std::string& path, std::size_t limit) {
  const auto fd = open_input(path);
  if (!fd) return propagate(fd);
  return read_input(fd->get(), limit);
}

Status replace_file(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno).in(path));
  if (write_whole(std::move(fd), bytes) && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const Error error = system_error(errno).in(path);
  ::unlink(temporary.c_str());
  return std::unexpected(error);
}

}  // namespace shed::broker
