#include "shed/broker/watched_file.h"

#include <sys/stat.h>

#include <utility>

namespace shed::broker {
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

WatchedFile::Stamp WatchedFile::look() const {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) return {};
#ifdef __APPLE__
  const timespec modified = info.st_mtimespec;
  const timespec changed = info.st_ctimespec;
#else
  const timespec modified = info.st_mtim;
  const timespec changed = info.st_ctim;
#endif
  return {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino),
          static_cast<std::uint64_t>(info.st_size), nanoseconds(modified), nanoseconds(changed)};
}

bool WatchedFile::changed() {
  const Stamp now = look();
  const bool same = std::exchange(looked_, true) && now == stamp_;
  stamp_ = now;
  return !same;
}

}  // namespace shed::broker
