#include "shed/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "shed/base/buffer.h"

namespace shed {
namespace {

constexpr std::size_t kReadStep = 4096;

std::unexpected<Error> errno_failure(std::string_view object) {
  return std::unexpected(system_error(errno).in(object));
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_failure(path);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

// Opens without waiting: a FIFO without a writer would hold us for ever.
Result<UniqueFd> open_regular(const std::string& path, std::size_t limit, std::size_t& size) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_failure(path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return errno_failure(path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", path);
  size = std::min(limit, static_cast<std::size_t>(info.st_size));
  return fd;
}

// The stat size is only a hint: the file may grow, and files of the kernel say 0.
Status read_into(Buffer& out, const std::string& path, std::size_t limit) {
  std::size_t hint = 0;
  const auto fd = open_regular(path, limit, hint);
  if (!fd) return propagate(fd);
  std::size_t want = hint + 1;
  while (true) {
    const auto room = out.spare(std::min(want, limit - out.size() + 1));
    const ssize_t count = ::read(fd->get(), room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_failure(path);
    if (count == 0) return {};
    out.commit(static_cast<std::size_t>(count));
    if (out.size() > limit) return fail(Errc::kLimit, "{}: larger than {} bytes", path, limit);
    want = kReadStep;
  }
}

// The folder must know the new name before we may say that the file is written.
void sync_parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const UniqueFd fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());
}

Status fill(UniqueFd fd, std::string_view bytes, unsigned mode, const std::string& path) {
  if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) return errno_failure(path);
  if (auto status = write_all(fd.get(), bytes, path); !status) return status;
  if (::fsync(fd.get()) != 0) return errno_failure(path);
  // Some file systems report a full disk only here.
  if (::close(fd.release()) != 0) return errno_failure(path);
  return {};
}

Status check_private_directory(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno_failure(path);
  if (!S_ISDIR(info.st_mode)) return fail(Errc::kExists, "{}: not a directory", path);
  if (info.st_uid != ::geteuid()) return fail(Errc::kPermission, "{}: belongs to another user", path);
  if ((info.st_mode & 022) != 0) {
    return fail(Errc::kPermission, "{}: other users may write to it; run chmod go-w on it", path);
  }
  return {};
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = other.release();
  return *this;
}

int UniqueFd::release() { return std::exchange(fd_, -1); }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  Buffer bytes;
  if (const auto status = read_into(bytes, path, limit); !status) return propagate(status);
  return std::string(bytes.view());
}

Result<Secret> read_secret_file(const std::string& path, std::size_t limit) {
  Buffer bytes;
  const auto status = read_into(bytes, path, limit);
  Secret secret(status ? bytes.view() : std::string_view());
  bytes.wipe();
  if (!status) return propagate(status);
  return secret;
}

Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_failure(path);
  auto status = fill(std::move(fd), bytes, mode, path);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) status = errno_failure(path);
  if (status) {
    sync_parent(path);
  } else {
    ::unlink(temporary.c_str());
  }
  return status;
}

Status make_private_directory(const std::string& path) {
  if (path.empty()) return fail(Errc::kInvalid, "the path of the directory is empty");
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      // A read-only or foreign parent that is already there is fine.
      struct stat info{};
      const int cause = errno;
      if (::stat(part.c_str(), &info) != 0) return std::unexpected(system_error(cause).in(part));
    }
    if (end == std::string::npos) return check_private_directory(path);
  }
}

}  // namespace shed
