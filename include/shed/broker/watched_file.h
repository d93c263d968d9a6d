// A small file that is looked at before each use, so that a change of it is in force at once.
#pragma once

#include <cstdint>
#include <string>

namespace shed::broker {

class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // Whether it is another one than at the last call, by a stat(): a file that was replaced, written to, made
  // or removed, or whose mode was changed. True for the first call.
  bool changed();

 private:
  // All 0 for a file that is missing.
  struct Stamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp look() const;

  std::string path_;
  Stamp stamp_;
  bool looked_ = false;
};

}  // namespace shed::broker
