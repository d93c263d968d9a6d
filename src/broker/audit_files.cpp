#include "broker/audit_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace shed::broker {
namespace {

constexpr std::size_t kReadStep = std::size_t{64} * 1024;
// A record takes some 20 microseconds under the lock.
constexpr timespec kLockPause{0, 200'000};

}  // namespace

std::unexpected<Error> AppendedFile::failure() const {
  return std::unexpected(system_error(errno).in(path_));
}

Status AppendedFile::open() {
  fd_.reset();
  UniqueFd fd(::open(path_.c_str(),
                     O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600));
  if (!fd) return failure();
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failure();
  const bool regular = S_ISREG(info.st_mode);
  device_ = S_ISCHR(info.st_mode);
  if (!regular && !device_) return fail(Errc::kInvalid, "{}: not a file that can be appended to", path_);
  if (regular && (info.st_mode & 077) != 0) ::fchmod(fd.get(), 0600);
  device_number_ = info.st_dev;
  inode_ = info.st_ino;
  in_place_ = false;
  fd_ = std::move(fd);
  return {};
}

bool AppendedFile::is_named() const {
  struct stat named{};
  return fd_ && ::lstat(path_.c_str(), &named) == 0 && named.st_dev == device_number_ &&
         named.st_ino == inode_;
}

bool AppendedFile::is_named_with(std::uint64_t size) const {
  struct stat named{};
  return fd_ && ::lstat(path_.c_str(), &named) == 0 && named.st_dev == device_number_ &&
         named.st_ino == inode_ && static_cast<std::uint64_t>(named.st_size) == size;
}

Result<std::uint64_t> AppendedFile::size() const {
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) return failure();
  return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> AppendedFile::read(std::uint64_t offset, std::size_t length) const {
  std::string bytes(length, '\0');
  std::size_t have = 0;
  while (have < length) {
    const ssize_t count =
        ::pread(fd_.get(), bytes.data() + have, length - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure();
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  bytes.resize(have);
  return bytes;
}

Result<OlderLines> AppendedFile::digest_of_start(std::uint64_t size) const {
  auto older = broker::digest_of_start(fd_.get(), size);
  if (!older) return propagate(older, path_);
  return older;
}

Status AppendedFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::unexpected(system_error(count < 0 ? errno : ENOSPC).in(path_));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Status AppendedFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return failure();
  return {};
}

Status AppendedFile::write_at_start(std::string_view bytes) {
  if (!in_place_) {  // O_APPEND would send pwrite() to the end (Linux)
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd_.get(), F_SETFL, flags & ~O_APPEND) != 0) return failure();
    in_place_ = true;
  }
  ssize_t count = 0;
  do count = ::pwrite(fd_.get(), bytes.data(), bytes.size(), 0);
  while (count < 0 && errno == EINTR);
  if (count < 0) return failure();
  if (static_cast<std::size_t>(count) == bytes.size()) return {};
  // Only a file that is new can be without room here. A piece would be taken for a change of it.
  const auto now = size();
  if (now && *now < bytes.size()) (void)truncate(0);
  return std::unexpected(system_error(ENOSPC).in(path_));
}

Status AppendedFile::lock(Millis limit) {
  // Whoever removes the file or puts another in its place would have two of us write at once.
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (!fd_) {
      if (const Status opened = open(); !opened) return opened;
    }
    if (const Status locked = lock_descriptor(fd_.get(), LOCK_EX, limit, path_); !locked) return locked;
    if (is_named()) return {};
    fd_.reset();
  }
  return fail(Errc::kUnavailable, "{}: is replaced again and again", path_);
}

void AppendedFile::unlock() {
  if (fd_) ::flock(fd_.get(), LOCK_UN);
}

Result<OlderLines> digest_of_start(int fd, std::uint64_t size) {
  OlderLines older{};
  Sha256 hash;
  std::array<char, kReadStep> piece;
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t want = std::min<std::uint64_t>(piece.size(), size - at);
    const ssize_t count = ::pread(fd, piece.data(), want, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno));
    if (count == 0) return fail(Errc::kIo, "the file became shorter");
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(count));
    hash.update(bytes);
    older.lines += static_cast<std::uint64_t>(std::ranges::count(bytes, '\n'));
    at += bytes.size();
  }
  const auto digest = hash.finish();
  if (!digest) return propagate(digest);
  older.digest = *digest;
  return older;
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

Status rename_to_free_name(const std::string& from, const std::string& to) {
  if (exists(to)) return fail(Errc::kExists, "{}: is there already", to);
  if (::rename(from.c_str(), to.c_str()) != 0) return std::unexpected(system_error(errno).in(from));
  return {};
}

Status lock_descriptor(int fd, int operation, Millis limit, const std::string& path) {
  const SteadyTime end = system_clock().now() + limit;
  while (::flock(fd, operation | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return std::unexpected(system_error(errno).in(path));
    if (system_clock().now() >= end)
      return fail(Errc::kTimeout, "{}: another process holds its lock for more than {}", path,
                  format_duration(limit));
    ::nanosleep(&kLockPause, nullptr);
  }
  return {};
}

}  // namespace shed::broker
