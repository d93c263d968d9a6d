// The files of an audit trail as they are at one moment: opened under the lock, read without it. Log and
// chain only grow, and a file that is rotated away meanwhile stays open here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/audit_chain.h"
#include "shed/base/clock.h"
#include "shed/base/file.h"

namespace shed::broker {

struct TrailFile {
  std::uint32_t number = 0;  // 0: the one that is written to
  std::string log_path, chain_path;
  UniqueFd log, chain;  // not open: there is none
  std::uint64_t log_size = 0;
  std::uint64_t chain_size = 0;

  // Errc::kLimit when it is larger than a chain of ours gets.
  Result<std::string> read_chain() const;
  Result<std::string> read_log(std::uint64_t offset, std::size_t length) const;
  // The chain's first record.
  std::optional<ChainRecord> begin(const ChainKey& key) const;
};

struct TrailSnapshot {
  TrailNames names{""};
  std::optional<std::string> head;  // its bytes
  std::vector<TrailFile> files;     // the oldest first
  bool added = false;               // the log has bytes while its rotation is not finished
};

Result<TrailSnapshot> take_snapshot(const TrailNames& names, const ChainKey& key, Millis lock_limit);

}  // namespace shed::broker
