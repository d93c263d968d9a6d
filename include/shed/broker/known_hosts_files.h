// The person's known_hosts files, kept in memory and read again when one of them changes.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shed/ssh/known_hosts.h"

namespace shed::broker {

// Where ssh looks by default (ssh_config(5), UserKnownHostsFile and GlobalKnownHostsFile), with the person's
// ~/.ssh at `ssh_directory`. Other files that an ssh_config names are not read.
std::vector<std::string> default_known_hosts_files(const std::string& ssh_directory);

// May be used by any thread.
class KnownHostsFiles {
 public:
  explicit KnownHostsFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // What the files say. Costs a stat() of each; when one of them has changed since, they are read again by
  // this call, up to kMaxKnownHostsFile each, which takes milliseconds: not for a loop's thread. Whoever
  // calls meanwhile gets what was known before. A file that is missing is empty; one that cannot be read or
  // is too large is passed over, as ssh does, and take_warnings() says so.
  std::shared_ptr<const ssh::KnownHosts> current();
  // What is to be said about the files since the last call: for the thread that writes the log.
  std::vector<std::string> take_warnings();

 private:
  // Where, which and since when a file is; all 0 for one that is missing.
  struct Stamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stamp_of(const std::string& path);
  std::shared_ptr<const ssh::KnownHosts> known();
  void read();
  void warn(std::string text);

  std::vector<std::string> paths_;
  std::mutex reading_;         // held while files are looked at and read
  std::vector<Stamp> stamps_;  // under reading_
  std::mutex state_;           // held for a moment only
  std::shared_ptr<const ssh::KnownHosts> hosts_;
  std::vector<std::string> warnings_;
};

}  // namespace shed::broker
