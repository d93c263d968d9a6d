// A small file that is looked at before each use, so that a change of it is in force at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "shed/base/clock.h"

namespace shed::broker {

class WatchedFile {
 public:
  // The clock must outlive it.
  explicit WatchedFile(std::string path, const Clock& clock = system_clock())
      : path_(std::move(path)), clock_(&clock) {}

  const std::string& path() const { return path_; }
  // Whether it is to be read, now: it may be another one than at the last call. By a stat(), which tells of a
  // file that was replaced, written to, made or removed, or whose mode was changed. The clock of a file
  // system ticks too rarely to tell two changes apart that follow each other at once, so a file that had just
  // been changed at the last call is to be read once more. True for the first call.
  bool may_have_changed();
  // It could not be read: so the next call is true, whatever the file looks like then.
  void could_not_be_read() { settled_ = false; }

 private:
  // All 0 for a file that is missing. `changed` is the inode's time, which nobody can set.
  struct Stamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp look() const;

  std::string path_;
  const Clock* clock_;
  Stamp stamp_;
  bool settled_ = false;  // another change would give another stamp
};

}  // namespace shed::broker
