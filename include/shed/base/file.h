// Files and descriptors.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// The whole file, Errc::kLimit when it is larger than `limit` bytes (checked while reading, not
// only by its stat size). Refuses what is no regular file, so that a FIFO cannot hang us.
Result<std::string> read_file(const std::string& path, std::size_t limit);
Result<Secret> read_secret_file(const std::string& path, std::size_t limit);

// Writes a temporary file beside `path` and renames it: readers see the old or the new one. A link at
// `path` is replaced, not followed. `mode` holds whatever the umask is.
Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode);

// Creates `path` and its parents with 0700 where they are missing. Errc::kPermission when `path`
// exists and belongs to somebody else or is open to others for writing.
Status make_private_directory(const std::string& path);

// "~" and "~/..." with $HOME (else the password database); anything else unchanged.
std::string expand_home(std::string_view path);
std::string home_directory();
// The variable's value; empty when unset. The one place that reads the environment.
std::string environment(const char* name);

}  // namespace shed
