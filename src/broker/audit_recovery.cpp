// What AuditTrail does with files that somebody else wrote last: an earlier process that may have ended
// anywhere, another process beside this one, or a person. The states are in audit_trail.h.
#include <algorithm>

#include "broker/audit_trail.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

// Behind the head: an announced line, and what took its place.
constexpr std::uint64_t kMostUncounted = 2;

std::string_view record_at(std::string_view chain, std::uint64_t index) {
  return chain.substr(index * kChainRecordSize, kChainRecordSize);
}

// Whether a chain has nothing but its beginning, or a part of it.
bool only_begun(std::string_view chain) {
  if (chain.size() > 2 * kChainRecordSize) return false;
  return chain.size() < kChainRecordSize + 3 ||
         chain[kChainRecordSize + 2] == static_cast<char>(ChainKind::kOlder);
}

}  // namespace

struct AuditTrail::Tail {
  std::optional<ChainStart> trouble;
  std::optional<ChainRecord> announced;  // a kLine, or a kRotate
  std::optional<ChainRecord> instead;    // a kTorn or kVoid
};

Status AuditTrail::recover() {
  state_.reset();
  if (const Status opened = log_.open(); !opened) return opened;
  if (const Status opened = chain_.open(); !opened) return opened;
  auto key = ChainKey::load_or_make(names_.key(), names_.log_name());
  if (!key) return propagate(key);
  key_.emplace(std::move(*key));
  const auto bytes = head_.read(0, kHeadSize + 1);
  if (!bytes) return propagate(bytes);
  if (bytes->empty() && !known_) {
    // The first start, or one that ended before its head was written: nothing was vouched for yet.
    const auto chain = chain_.read(0, 2 * kChainRecordSize + 1);
    if (!chain) return propagate(chain);
    return only_begun(*chain) && !has_kept_chain() ? begin(ChainStart::kFirst, {})
                                                   : set_aside(ChainStart::kHeadRemoved, {});
  }
  const auto head = key_->open_head(*bytes);
  if (!head) {
    const auto why = bytes->empty() ? ChainStart::kHeadRemoved : ChainStart::kHeadChanged;
    return set_aside(why, known_.value_or(ChainHead{}));
  }
  // An older state that somebody has put back is whole in itself; but we have seen a later one.
  const bool older = known_ && (head->generation < known_->generation || head->number < known_->number);
  return older ? set_aside(ChainStart::kRolledBack, *known_) : recover_from(*head);
}

bool AuditTrail::has_kept_chain() const {
  for (const KeptFile& file : find_kept(names_)) {
    if (file.chain) return true;
  }
  return false;
}

Status AuditTrail::recover_from(const ChainHead& head) {
  if (head.closing != 0) return finish_rotation(head);
  const auto tail = read_tail(head);
  if (!tail) return propagate(tail);
  if (tail->trouble) return set_aside(*tail->trouble, head);
  const auto size = log_.size();
  if (!size) return propagate(size);
  if (*size < head.end) return set_aside(ChainStart::kLogShorter, head);
  if (tail->announced && tail->announced->kind == ChainKind::kLine) return end_announced(head, *tail);
  if (*size > head.end) return set_aside(ChainStart::kLogLonger, head);
  ChainHead settled = head;
  if (tail->announced) {  // a rotation that only the chain knows of
    ++settled.records;
    settled.mac = tail->announced->mac;
    settled.closing = tail->announced->length;
  }
  if (const Status committed = commit(settled); !committed) return committed;
  if (settled.closing == 0) return {};
  state_.reset();
  return finish_rotation(settled);
}

// Checks the first record, the last one that counts and those behind it, and cuts off half a record.
Result<AuditTrail::Tail> AuditTrail::read_tail(const ChainHead& head) {
  Tail tail;
  const auto size = chain_.size();
  if (!size) return propagate(size);
  if (head.records == 0 || *size < head.chain_size()) {
    tail.trouble = ChainStart::kChainShorter;
    return tail;
  }
  const std::uint64_t uncounted = *size / kChainRecordSize - head.records;
  const auto start = chain_.read(0, kChainRecordSize);
  const auto end = chain_.read(head.chain_size() - kChainRecordSize, (kMostUncounted + 1) * kChainRecordSize);
  if (!start) return propagate(start);
  if (!end) return propagate(end);
  const auto first = key_->open_record(*start, {});
  if (!first || first->kind != ChainKind::kBegin || first->length != head.generation ||
      uncounted > kMostUncounted || !record_at(*end, 0).ends_with(bytes_of(head.mac)) ||
      !read_uncounted(*end, uncounted, head.mac, tail)) {
    tail.trouble = ChainStart::kChainChanged;
    return tail;
  }
  begun_ = first->time;
  const std::uint64_t whole = (head.records + uncounted) * kChainRecordSize;
  if (*size > whole) {
    if (const Status cut = chain_.truncate(whole); !cut) return propagate(cut);
  }
  return tail;
}

// False when there is anything but an announcement and what can take its place.
bool AuditTrail::read_uncounted(std::string_view records, std::uint64_t count, const Digest& last,
                                Tail& tail) const {
  if (count > 0) {
    tail.announced = key_->open_record(record_at(records, 1), last);
    if (!tail.announced) return false;
    if (tail.announced->kind != ChainKind::kLine && tail.announced->kind != ChainKind::kRotate) return false;
  }
  if (count > 1) {
    tail.instead = key_->open_record(record_at(records, 2), tail.announced->mac);
    if (!tail.instead || tail.announced->kind != ChainKind::kLine) return false;
    if (tail.instead->kind != ChainKind::kTorn && tail.instead->kind != ChainKind::kVoid) return false;
  }
  return true;
}

Status AuditTrail::end_announced(ChainHead head, const Tail& tail) {
  const auto& line = *tail.announced;
  const auto rest = log_.read(head.end, std::size_t{line.length} + 1);
  if (!rest) return propagate(rest);
  const auto counts = [&](const ChainRecord& last, std::uint64_t records) {
    ChainHead settled = head;
    settled.records += records;
    settled.number = last.number;
    settled.end = last.end;
    settled.mac = last.mac;
    return commit(settled);
  };
  if (tail.instead) {
    const bool torn = tail.instead->kind == ChainKind::kTorn;
    const bool as_said =
        torn ? judge_announced(*rest, *tail.instead) == AnnouncedLine::kWhole : rest->empty();
    return as_said ? counts(*tail.instead, 2) : set_aside(ChainStart::kLogChanged, head);
  }
  switch (judge_announced(*rest, line)) {
    case AnnouncedLine::kWhole:
      return counts(line, 1);
    case AnnouncedLine::kWithoutNewline:
      if (const Status ended = log_.append("\n"); !ended) return ended;
      return counts(line, 1);
    case AnnouncedLine::kNothing:
      return replace_announced(head, tail, "");
    case AnnouncedLine::kTorn:
      if (!rest->ends_with('\n')) {
        if (const Status ended = log_.append("\n"); !ended) return ended;
      }
      return replace_announced(head, tail, rest->ends_with('\n') ? *rest : *rest + '\n');
    case AnnouncedLine::kForeign:
      break;
  }
  return set_aside(ChainStart::kLogChanged, head);
}

// `piece` is what the log has instead of the announced line.
Status AuditTrail::replace_announced(ChainHead head, const Tail& tail, std::string_view piece) {
  const auto digest = sha256(piece);
  if (!digest) return propagate(digest);
  ChainRecord record;
  record.kind = piece.empty() ? ChainKind::kVoid : ChainKind::kTorn;
  record.length = static_cast<std::uint32_t>(piece.size());
  record.number = head.number + (piece.empty() ? 0 : 1);
  record.end = head.end + piece.size();
  record.digest = *digest;
  ++head.records;
  head.mac = tail.announced->mac;
  if (const Status added = add(record, head); !added) return added;
  return commit(head);
}

// Keeps what was found for whoever looks into it, and starts a chain that says so.
Status AuditTrail::set_aside(ChainStart why, const ChainHead& before) {
  log::error("audit log: {}: {}; what was found is kept, run 'shed-ext audit verify'", names_.log,
             describe(why));
  const auto number = free_number();
  if (!number) return propagate(number);
  if (const Status moved = rename_to_free_name(names_.log, names_.kept(*number)); !moved) return moved;
  if (const Status moved = rename_to_free_name(names_.chain(), names_.kept_chain(*number)); !moved)
    return moved;
  if (const Status opened = log_.open(); !opened) return opened;
  if (const Status opened = chain_.open(); !opened) return opened;
  ChainHead from = before;
  from.generation = std::max<std::uint64_t>(from.generation, *number);  // also where the head is lost
  if (const Status begun = begin(why, from); !begun) return begun;
  remove_oldest();
  return {};
}

}  // namespace shed::broker
