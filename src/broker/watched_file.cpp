#include "shed/broker/watched_file.h"

#include <sys/stat.h>

namespace shed::broker {
namespace {

// The coarsest clock of a file system in use (FAT); others tick every few milliseconds.
constexpr std::chrono::seconds kTick{2};

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

bool WatchedFile::may_have_changed() {
  const Stamp now = look();
  const bool same = settled_ && now == stamp_;
  stamp_ = now;
  const WallTime changed{
      std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(now.changed_ns))};
  settled_ = clock_->wall() - changed > kTick;
  return !same;
}

}  // namespace shed::broker
