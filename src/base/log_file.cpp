#include "shed/base/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "shed/base/clock.h"
#include "shed/base/file.h"
#include "shed/base/log.h"

namespace shed::log {
namespace {

constexpr off_t kLargest = 10 * 1024 * 1024;
constexpr int kKept = 5;
constexpr time_t kOldest = 30 * 24 * 60 * 60;

class LogFile {
 public:
  explicit LogFile(std::string path) : path_(std::move(path)) {}

  Status open() {
    remove_old();
    fd_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
    if (!fd_) return std::unexpected(system_error(errno).in(path_));
    struct stat info{};
    size_ = ::fstat(fd_.get(), &info) == 0 ? info.st_size : 0;
    return {};
  }

  void write(std::string_view line) {
    if (size_ > kLargest) rotate();
    const std::string text = fmt::format("{} {}\n", format_rfc3339_millis(system_clock().wall()), line);
    const int fd = fd_ ? fd_.get() : STDERR_FILENO;
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count > 0) size_ += count;
    if (count < 0 && fd != STDERR_FILENO) (void)!::write(STDERR_FILENO, text.data(), text.size());
  }

 private:
  std::string kept(int number) const { return fmt::format("{}.{}", path_, number); }

  void rotate() {
    for (int number = kKept - 1; number >= 1; --number) {
      ::rename(kept(number).c_str(), kept(number + 1).c_str());
    }
    ::rename(path_.c_str(), kept(1).c_str());
    (void)open();  // without it lines go to stderr, which is as loud as it gets
  }

  void remove_old() const {
    for (int number = 1; number <= kKept; ++number) {
      struct stat info{};
      if (::stat(kept(number).c_str(), &info) != 0) continue;
      if (info.st_mtime < ::time(nullptr) - kOldest) ::unlink(kept(number).c_str());
    }
  }

  std::string path_;
  UniqueFd fd_;
  off_t size_ = 0;
};

}  // namespace

Status write_to_file(std::string path) {
  auto file = std::make_shared<LogFile>(std::move(path));
  if (const Status opened = file->open(); !opened) return opened;
  set_sink([file](Level, std::string_view line) { file->write(line); });
  return {};
}

}  // namespace shed::log
