// The files beside the audit log by which a change of it is noticed, and the bytes in them.
//
// For a log `L` in folder `D`:
//
//   L            the log: JSON lines, nothing else, as every existing tool expects it
//   L.chain      a record for each of its lines
//   L.head       the authenticated end of the chain; its lock is what several processes write under
//   L.1, L.1.chain, L.2, L.2.chain, ...   rotated away; the highest number is the newest
//   D/audit-key  32 random bytes, made at the first start; 0600
//
// A chain is records of 96 bytes, numbers big-endian:
//
//    0   2  "S1"
//    2   1  kind: one of ChainKind
//    3   1  of a kBegin: why the file begins (ChainStart); else 0
//    4   4  length: bytes of the line with its newline; of a kBegin: the file's generation, from 1;
//           of a kRotate: the number under which the files go on
//    8   8  number: lines so far, over all files since the first
//   16   8  end: bytes of this log file up to and with the line
//   24   8  time: seconds since 1970
//   32  32  digest: SHA-256 of the line; of a kBegin: the MAC of the last record of the file before; of a
//           kOlder: SHA-256 of the file's first `end` bytes
//   64  32  MAC = HMAC-SHA256(key, "shed-audit record" 0 | MAC of the record before, zeros for a kBegin |
//           bytes 0 to 63)
//
// The head is 104 bytes:
//
//    0   2  "H1"
//    2   2  zeros
//    4   4  closing: the kRotate's number when the chain's last record is one; else 0
//    8   8  generation
//   16   8  records of the chain that count
//   24   8  number, and
//   32   8  end, as in the last of them
//   40  32  that record's MAC
//   72  32  HMAC-SHA256(key, "shed-audit head" 0 | bytes 0 to 71)
//
// The key of both is HMAC-SHA256(audit-key, "shed-audit log" 0 | file name of L), so that one log cannot
// stand in for another of the same folder.
//
// Who has no key cannot make a record or a head. Who can write to the folder and has kept an older state of
// log, chain and head can put all three back while no host agent runs: that is seen only by somebody who
// noted the count elsewhere (`audit verify` prints it). Who can read the key can make everything anew; it is
// kept from other users, not from its owner's own processes. Removing log, chain, head and rotated files
// together starts over, which shows in the time since which there is a chain.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/audit_mac.h"

namespace shed::broker {

inline constexpr std::size_t kChainRecordSize = 96;
inline constexpr std::size_t kHeadSize = 104;

enum class ChainKind : char {
  kBegin = 'C',   // the first record of a file
  kOlder = 'O',   // what stood in the log before there was a chain
  kLine = 'L',    // a line that will come now
  kTorn = 'T',    // instead of that line a piece of it came; it was ended with a newline
  kVoid = 'V',    // instead of that line nothing came
  kRotate = 'R',  // the file ends here
};

// Why a chain file begins; from kHeadRemoved on, what was found wrong at that moment.
enum class ChainStart : std::uint8_t {
  kFirst,
  kRotated,
  kHeadRemoved,
  kHeadChanged,
  kChainShorter,
  kChainChanged,
  kLogShorter,
  kLogLonger,
  kLogChanged,
  kRolledBack,
};
inline constexpr ChainStart kLastChainStart = ChainStart::kRolledBack;
inline bool is_trouble(ChainStart start) { return start >= ChainStart::kHeadRemoved; }
// "the log was shorter than its chain"
std::string_view describe(ChainStart start);

struct ChainRecord {
  ChainKind kind = ChainKind::kLine;
  ChainStart start = ChainStart::kFirst;
  std::uint32_t length = 0;
  std::uint64_t number = 0;
  std::uint64_t end = 0;
  std::int64_t time = 0;
  Digest digest{};
  Digest mac{};
};

// What the end of the chain is, as far as it counts.
struct ChainHead {
  std::uint32_t closing = 0;
  std::uint64_t generation = 0;
  std::uint64_t records = 0;
  std::uint64_t number = 0;
  std::uint64_t end = 0;
  Digest mac{};

  std::uint64_t chain_size() const { return records * kChainRecordSize; }
};

class ChainKey {
 public:
  // Reads the file. Errc::kNotFound without one, kPermission when others may read it or it belongs to
  // somebody else, kInvalid when it has not 32 bytes.
  static Result<ChainKey> load(const std::string& path, std::string_view log_name);
  // The same, with a new file where there is none. Of two processes that make one, both get the first.
  static Result<ChainKey> load_or_make(const std::string& path, std::string_view log_name);

  // Sets the record's MAC and returns its bytes.
  Result<std::string> seal(ChainRecord& record, const Digest& previous) const;
  Result<std::string> seal(const ChainHead& head) const;
  // The record in `bytes`; nothing when it is no record, or not one that this key has made behind `previous`.
  std::optional<ChainRecord> open_record(std::string_view bytes, const Digest& previous) const;
  std::optional<ChainHead> open_head(std::string_view bytes) const;

 private:
  explicit ChainKey(std::string_view key) : mac_(key) {}
  HmacSha256 mac_;  // its key is derived for one log; the file's own bytes are gone
};

// What stands in the log behind its last line that counts, when the chain has announced one more.
enum class AnnouncedLine { kNothing, kWhole, kWithoutNewline, kTorn, kForeign };
AnnouncedLine judge_announced(std::string_view rest, const ChainRecord& announced);

// The names of the files.
struct TrailNames {
  explicit TrailNames(std::string log_path) : log(std::move(log_path)) {}
  std::string folder() const;
  std::string log_name() const;  // without its folder
  std::string chain() const { return log + ".chain"; }
  std::string head() const { return log + ".head"; }
  std::string key() const { return folder() + "/audit-key"; }
  std::string kept(std::uint32_t number) const { return fmt::format("{}.{}", log, number); }
  std::string kept_chain(std::uint32_t number) const { return fmt::format("{}.{}.chain", log, number); }

  std::string log;
};

// What was rotated away, in the order of the numbers; at most kMostKept, the highest ones.
struct KeptFile {
  std::uint32_t number = 0;
  bool log = false;
  bool chain = false;
};
inline constexpr std::size_t kMostKept = 64;
std::vector<KeptFile> find_kept(const TrailNames& names);

}  // namespace shed::broker
