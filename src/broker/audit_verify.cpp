#include "shed/broker/audit_verify.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "broker/audit_chain.h"
#include "broker/audit_compare.h"
#include "broker/audit_files.h"
#include "broker/audit_snapshot.h"

namespace shed::broker {
namespace {

// Lines that are read beyond those that are expected, to say what happened to them.
constexpr std::size_t kMoreLines = kCompareWindow;

// What a file's chain says.
struct Chain {
  std::vector<ChainRecord> records;  // as far as they authenticate
  std::vector<LineDigest> lines;     // that count, behind `older`
  std::optional<ChainRecord> older;  // what was there before the chain
  std::vector<std::uint64_t> torn;   // numbers of lines that a crash has cut short
  std::uint64_t end = 0;             // of the last line that counts
  std::uint64_t number = 0;          // and its number
  bool changed = false;              // a record behind the last good one does not authenticate

  const ChainRecord& begin() const { return records.front(); }
};

std::vector<ChainRecord> authentic_records(std::string_view bytes, const ChainKey& key) {
  std::vector<ChainRecord> records;
  Digest previous{};
  for (; bytes.size() >= kChainRecordSize; bytes.remove_prefix(kChainRecordSize)) {
    const auto record = key.open_record(bytes.substr(0, kChainRecordSize), previous);
    if (!record || (record->kind == ChainKind::kBegin) != records.empty()) break;
    previous = record->mac;
    records.push_back(*record);
  }
  return records;
}

// Of the first `counted` records.
Chain read_chain(std::string_view bytes, const ChainKey& key, std::uint64_t counted) {
  Chain chain;
  chain.records = authentic_records(bytes, key);
  chain.changed = chain.records.size() < std::min<std::uint64_t>(counted, bytes.size() / kChainRecordSize);
  for (std::size_t i = 0; i < chain.records.size() && i < counted; ++i) {
    const ChainRecord& record = chain.records[i];
    chain.number = record.number;
    chain.end = record.end;
    if (record.kind == ChainKind::kOlder) chain.older = record;
    const bool replaced = record.kind == ChainKind::kTorn || record.kind == ChainKind::kVoid;
    if (replaced && !chain.lines.empty()) chain.lines.pop_back();
    if (record.kind == ChainKind::kLine || record.kind == ChainKind::kTorn)
      chain.lines.push_back({record.digest});
    if (record.kind == ChainKind::kTorn) chain.torn.push_back(record.number);
  }
  return chain;
}

class Check {
 public:
  Check(const TrailSnapshot& trail, const ChainKey& key, const AuditLimits& limits)
      : trail_(trail), key_(key), limits_(limits) {
    if (trail.head) head_ = key.open_head(*trail.head);
  }

  AuditVerdict run() {
    for (std::size_t i = 0; i < trail_.files.size(); ++i) {
      if (auto problem = check_file(i)) return changed(std::move(*problem));
    }
    if (auto problem = check_head()) return changed(std::move(*problem));
    verdict_.outcome = AuditVerdict::Outcome::kIntact;
    verdict_.text = fmt::format("{}: as written since {}: {} {} in {} {}; the head is {}", trail_.names.log,
                                since_, lines_, lines_ == 1 ? "line" : "lines", trail_.files.size(),
                                trail_.files.size() == 1 ? "file" : "files", short_head());
    return std::move(verdict_);
  }

 private:
  using Problem = std::optional<std::string>;

  AuditVerdict changed(std::string text) {
    verdict_.outcome = AuditVerdict::Outcome::kChanged;
    verdict_.text = std::move(text);
    return std::move(verdict_);
  }
  // To note down elsewhere: the count, and the start of the last MAC.
  std::string short_head() const {
    std::string text = fmt::format("{}:", head_->number);
    for (const char byte : bytes_of(head_->mac).substr(0, 6)) {
      text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
  }

  Problem check_file(std::size_t index) {
    const TrailFile& file = trail_.files[index];
    const bool last = index + 1 == trail_.files.size();
    if (!file.chain) return fmt::format("{}: its chain, {}, is missing", file.log_path, file.chain_path);
    const auto bytes = file.read_chain();
    if (!bytes) return bytes.error().text();
    const std::uint64_t counted = last && head_ ? head_->records : bytes->size() / kChainRecordSize;
    const Chain chain = read_chain(*bytes, key_, counted);
    if (chain.records.empty())
      return fmt::format("{}: was changed at its start, or made with another key", file.chain_path);
    if (auto problem = check_begin(file, chain.begin(), index == 0)) return problem;
    if (auto problem = check_lines(file, chain)) return problem;
    if (auto problem = check_end(index, chain)) return problem;
    for (const std::uint64_t number : chain.torn) {
      note(fmt::format("{}:{}: was cut short when its writer ended, and is no record", file.log_path,
                       number - chain.begin().number));
    }
    lines_ += chain.number - chain.begin().number;
    previous_ = chain.records.back();
    return {};
  }

  Problem check_begin(const TrailFile& file, const ChainRecord& begin, bool oldest) {
    if (oldest) {
      since_ = format_rfc3339(WallTime(std::chrono::seconds(begin.time)));
      if (head_ && begin.length > 1 && begin.length + limits_.kept > head_->generation)
        return fmt::format("{}: the files before it were removed", file.log_path);
    } else if (begin.number > previous_.number) {
      return fmt::format("{}: before it, {} lines and their records were removed", file.log_path,
                         begin.number - previous_.number);
    } else if (!is_trouble(begin.start) &&
               (begin.digest != previous_.mac || begin.length != generation_ + 1)) {
      return fmt::format("{}: does not go on from the file before it", file.chain_path);
    }
    generation_ = begin.length;
    if (!is_trouble(begin.start)) return {};
    return fmt::format("{}: {} when it was opened at {}", file.log_path, describe(begin.start),
                       format_rfc3339(WallTime(std::chrono::seconds(begin.time))));
  }

  Problem check_lines(const TrailFile& file, const Chain& chain) {
    const std::uint64_t start = chain.older ? chain.older->end : 0;
    if (chain.older) {
      const std::uint64_t count = chain.older->number - chain.begin().number;
      const auto older = digest_of_start(file.log.get(), start);
      if (!older || older->digest != chain.older->digest)
        return fmt::format("{}:1: one of the first {} lines, older than the chain, was changed or removed",
                           file.log_path, count);
      note(fmt::format("{}: the first {} lines are older than the chain", file.log_path, count));
    }
    const auto found = digest_lines(file.log.get(), start, file.log_size, chain.lines.size() + kMoreLines);
    if (!found) return found.error().in(file.log_path).text();
    const std::uint64_t first = (chain.older ? chain.older->number - chain.begin().number : 0) + 1;
    const auto difference = compare_lines(chain.lines, *found, first);
    if (!difference || difference->line == chain.lines.size()) return {};  // what is behind: check_end()
    return fmt::format("{}:{}: {}", file.log_path, first + difference->line, difference->what);
  }

  static std::string without_records(const TrailFile& file, std::uint64_t line, std::uint64_t count) {
    if (count <= 1) return fmt::format("{}:{}: the chain has no record of this line", file.log_path, line);
    return fmt::format("{}:{}: the chain has no records of lines {} to {}", file.log_path, line, line,
                       line + count - 1);
  }

  // What is behind the last line that the chain vouches for.
  Problem check_end(std::size_t index, const Chain& chain) {
    const TrailFile& file = trail_.files[index];
    const std::uint64_t line = chain.number - chain.begin().number + 1;
    if (chain.changed)
      return fmt::format("{}:{}: the record of this line in the chain was changed", file.log_path, line);
    if (index + 1 == trail_.files.size()) return check_newest(file, chain, line);
    const auto next = trail_.files[index + 1].begin(key_);
    if (next && next->number > chain.number) return without_records(file, line, next->number - chain.number);
    if (file.log_size > chain.end)
      return fmt::format("{}:{}: the line was added at the end", file.log_path, line);
    const ChainRecord& closing = chain.records.back();
    if (closing.kind == ChainKind::kRotate && closing.length == file.number) return {};
    if (next && is_trouble(next->start)) return {};  // said with the next file
    return fmt::format("{}: the end of it was removed", file.chain_path);
  }

  Problem check_newest(const TrailFile& file, const Chain& chain, std::uint64_t line) {
    if (!head_) {
      if (file.log_size <= chain.end) return {};
      return fmt::format("{}:{}: the line was added at the end", file.log_path, line);
    }
    if (chain.records.size() < head_->records)
      return without_records(file, line, head_->number - chain.number);
    if (chain.records[head_->records - 1].mac != head_->mac)
      return fmt::format("{}: its end is not the one in {}", file.chain_path, trail_.names.head());
    return check_uncounted(file, chain, line);
  }

  // A line that was announced when its writer ended; it was never answered to anybody.
  Problem check_uncounted(const TrailFile& file, const Chain& chain, std::uint64_t line) {
    const std::size_t counted = head_->records;
    const bool announced = chain.records.size() > counted && chain.records[counted].kind == ChainKind::kLine;
    if (announced) {
      const ChainRecord& coming = chain.records[counted];
      const auto rest = file.read_log(chain.end, std::size_t{coming.length} + 1);
      if (!rest) return rest.error().text();
      if (judge_announced(*rest, coming) != AnnouncedLine::kForeign) {
        note(fmt::format("{}:{}: its writer ended in the middle of it, and it does not count", file.log_path,
                         line));
        return {};
      }
    } else if (file.log_size <= chain.end) {
      return {};
    }
    return fmt::format("{}:{}: the line was added at the end", file.log_path, line);
  }

  Problem check_head() const {
    if (!trail_.head)
      return fmt::format("{}: is missing; a removed end cannot be noticed", trail_.names.head());
    if (!head_) return fmt::format("{}: was changed, or made with another key", trail_.names.head());
    if (head_->generation != generation_)
      return fmt::format("{}: is the head of file {}, and the newest is {}", trail_.names.head(),
                         head_->generation, generation_);
    if (trail_.added) return fmt::format("{}:1: the line was added", trail_.names.log);
    return {};
  }

  void note(std::string text) {
    constexpr std::size_t kMostNotes = 20;
    if (verdict_.notes.size() < kMostNotes) verdict_.notes.push_back(std::move(text));
  }

  const TrailSnapshot& trail_;
  const ChainKey& key_;
  const AuditLimits& limits_;
  std::optional<ChainHead> head_;
  AuditVerdict verdict_;
  ChainRecord previous_;
  std::uint64_t generation_ = 0;
  std::uint64_t lines_ = 0;
  std::string since_;
};

AuditVerdict unverifiable(std::string text) {
  return {AuditVerdict::Outcome::kUnverifiable, std::move(text), {}};
}

}  // namespace

AuditVerdict verify_audit_log(const std::string& path, const AuditLimits& limits) {
  const TrailNames names(path);
  // Before the log itself: whoever removes it leaves the chain.
  const bool chained = exists(names.chain()) || exists(names.head()) || !find_kept(names).empty();
  if (!chained && !exists(path)) return unverifiable(path + ": no such file");
  if (!chained) return unverifiable(path + ": there is no chain beside it, so nothing in it can be verified");
  auto key = ChainKey::load(names.key(), names.log_name());
  if (!key) return unverifiable(key.error().in("the key of the chain").text());
  auto trail = take_snapshot(names, *key, limits.lock_limit);
  if (!trail) return unverifiable(trail.error().text());
  return Check(*trail, *key, limits).run();
}

}  // namespace shed::broker
