// Writes the audit log together with its chain (audit_chain.h has the files and the bytes).
//
// A record is three writes, one after the other, under the lock of the head:
//
//   1. the chain says which line will come (kLine)
//   2. the log gets the line
//   3. the head says that it counts
//
// write() returns success only after the third, and only then does an answer leave the host. What the head
// says therefore has happened: a log or chain that has less, or anything else, is no crash of ours. What is
// beyond the head was never answered to anybody: at most one announced line, whole, in part or not at all.
// A start finds one of these states and ends it, each of its steps repeatable:
//
//   half a record at the chain's end      cut off: its line was not begun
//   announced, nothing of it in the log   kVoid
//   announced, and whole in the log       counts now (also when only its newline is missing)
//   announced, and a piece in the log     the piece is ended with a newline, then kTorn vouches for it
//
// A piece of a line is never a whole record (it has no closing brace), so nobody can pass one off in that
// moment. Anything else is trouble: log and chain are moved aside as they were found, for `audit verify` to
// say what is wrong with them, and a new chain begins whose first record says why and goes on from the head.
// A cut by the same process (a full disk) is ended in the same way by the next write.
//
// Nothing is synced for each line, as before: a kernel crash or a power cut can take the last seconds
// of each file. That cannot be told from a removed tail, so it is reported as one.
//
// Rotation: the chain's last record (kRotate) names the number under which the files go on, the head says so,
// then log and chain are renamed and the next generation begins. A start finishes what it finds half done.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/audit_chain.h"
#include "broker/audit_files.h"
#include "shed/base/clock.h"
#include "shed/broker/audit_log.h"

namespace shed::broker {

class AuditTrail {
 public:
  // The clock must outlive it. Nothing is opened yet.
  AuditTrail(std::string path, const Clock& clock, AuditLimits limits);

  // Opens everything and ends what a crash has left. A device (as /dev/full) has a log and no chain.
  Status open();
  // `line` with its newline. After an error nothing is open, and the next call starts from what is there.
  Status write(std::string_view line);

 private:
  struct Tail;

  Status under_lock(std::string_view line);
  Status prepare();
  Status append(std::string_view line);
  bool must_rotate(std::size_t more) const;
  Status rotate();
  Status finish_rotation(const ChainHead& closed);
  Status begin(ChainStart why, const ChainHead& before);
  Status commit(ChainHead head);
  Status add(ChainRecord& record, ChainHead& head);
  bool has_kept_chain() const;
  void remove_oldest() const;
  Result<std::uint32_t> free_number() const;
  void forget();

  // audit_recovery.cpp
  Status recover();
  Status recover_from(const ChainHead& head);
  Result<Tail> read_tail(const ChainHead& head);
  bool read_uncounted(std::string_view records, std::uint64_t count, const Digest& last, Tail& tail) const;
  Status end_announced(ChainHead head, const Tail& tail);
  Status replace_announced(ChainHead head, const Tail& tail, std::string_view piece);
  Status set_aside(ChainStart why, const ChainHead& before);

  TrailNames names_;
  const Clock* clock_;
  AuditLimits limits_;
  AppendedFile log_, chain_, head_;
  std::optional<ChainKey> key_;
  std::optional<ChainHead> state_;  // what the files are, when this process was the last to write
  std::optional<ChainHead> known_;  // the furthest that this process has seen
  std::int64_t begun_ = 0;          // when the log's file began
};

}  // namespace shed::broker
