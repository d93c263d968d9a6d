// The files of the audit trail as the writer holds them open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "broker/audit_mac.h"
#include "shed/base/clock.h"
#include "shed/base/file.h"
#include "shed/base/result.h"

namespace shed::broker {

// A log's first bytes: their digest, and how many lines they are.
struct OlderLines {
  Digest digest{};
  std::uint64_t lines = 0;
};
Result<OlderLines> digest_of_start(int fd, std::uint64_t size);

// A file that is appended to, and what it was when it was opened.
class AppendedFile {
 public:
  explicit AppendedFile(std::string path) : path_(std::move(path)) {}

  // Makes the file (0600) where it is missing and closes it to others where it is open to them. No link is
  // followed: what is written must not end up where somebody else wants it. Errc::kInvalid for what is
  // neither a regular file nor a character device.
  Status open();
  void close() { fd_.reset(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  bool is_device() const { return device_; }
  const std::string& path() const { return path_; }

  // Whether the name still stands for the file that is open, and (with a size) nobody else wrote to it.
  bool is_named() const;
  bool is_named_with(std::uint64_t size) const;
  Result<std::uint64_t> size() const;
  Result<std::string> read(std::uint64_t offset, std::size_t length) const;  // less at the end
  Result<OlderLines> digest_of_start(std::uint64_t size) const;
  Status append(std::string_view bytes);
  Status truncate(std::uint64_t size);
  // For a file that is written in place. The bytes fit into one page, which no end of this process cuts.
  Status write_at_start(std::string_view bytes);
  // Within the time limit, else Errc::kTimeout. Whoever has opened the file itself can lock against us, which
  // makes us refuse, and no more.
  Status lock(Millis limit);
  void unlock();

 private:
  std::unexpected<Error> failure() const;

  std::string path_;
  UniqueFd fd_;
  dev_t device_number_ = 0;
  ino_t inode_ = 0;
  bool device_ = false;
  bool in_place_ = false;
};

bool exists(const std::string& path);
// Never over another file (racing with nobody: the caller has the trail's lock).
Status rename_to_free_name(const std::string& from, const std::string& to);
// flock() with a time limit; `operation` is LOCK_EX or LOCK_SH.
Status lock_descriptor(int fd, int operation, Millis limit, const std::string& path);

}  // namespace shed::broker
