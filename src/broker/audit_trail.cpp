#include "broker/audit_trail.h"

#include <unistd.h>

#include <limits>

namespace shed::broker {
namespace {

// More digits would not be taken for a number of ours (audit_key.cpp).
constexpr std::uint32_t kLastNumber = 999'999'999;

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// The lock goes whatever happens under it.
class Unlock {
 public:
  explicit Unlock(AppendedFile& file) : file_(file) {}
  Unlock(const Unlock&) = delete;
  Unlock& operator=(const Unlock&) = delete;
  ~Unlock() { file_.unlock(); }

 private:
  AppendedFile& file_;
};

}  // namespace

AuditTrail::AuditTrail(std::string path, const Clock& clock, AuditLimits limits)
    : names_(std::move(path)),
      clock_(&clock),
      limits_(limits),
      log_(names_.log),
      chain_(names_.chain()),
      head_(names_.head()) {}

Status AuditTrail::open() { return write({}); }

Status AuditTrail::write(std::string_view line) {
  if (line.size() > std::numeric_limits<std::uint32_t>::max())
    return fail(Errc::kLimit, "{}: a record of {} bytes", names_.log, line.size());
  // Before anything is made beside it: the log itself may be what nothing can be appended to.
  if (!log_.is_named()) {
    if (const Status made = make_private_directory(names_.folder()); !made) return made;
    if (const Status opened = log_.open(); !opened) return opened;
  }
  const Status status = log_.is_device() ? log_.append(line) : under_lock(line);
  if (!status) forget();
  return status;
}

Status AuditTrail::under_lock(std::string_view line) {
  if (const Status locked = head_.lock(limits_.lock_limit); !locked) return locked;
  const Unlock unlock(head_);
  if (const Status ready = prepare(); !ready) return ready;
  if (line.empty()) return {};
  if (must_rotate(line.size())) {
    if (const Status rotated = rotate(); !rotated) return rotated;
  }
  return append(line);
}

// What is in memory holds as long as the names stand for the same files and nobody else wrote to them.
Status AuditTrail::prepare() {
  if (state_ && log_.is_named_with(state_->end) && chain_.is_named_with(state_->chain_size())) return {};
  return recover();
}

Status AuditTrail::append(std::string_view line) {
  const auto digest = sha256(line);
  if (!digest) return propagate(digest);
  ChainHead head = *state_;
  ChainRecord record;
  record.length = static_cast<std::uint32_t>(line.size());
  record.number = head.number + 1;
  record.end = head.end + line.size();
  record.digest = *digest;
  state_.reset();
  if (const Status announced = add(record, head); !announced) return announced;
  if (const Status written = log_.append(line); !written) return written;
  return commit(head);
}

// Appends the record to the chain, and moves `head` behind it.
Status AuditTrail::add(ChainRecord& record, ChainHead& head) {
  record.time = unix_seconds(clock_->wall());
  const auto bytes = key_->seal(record, record.kind == ChainKind::kBegin ? Digest{} : head.mac);
  if (!bytes) return propagate(bytes);
  if (const Status written = chain_.append(*bytes); !written) return written;
  ++head.records;
  head.number = record.number;
  head.end = record.end;
  head.mac = record.mac;
  return {};
}

Status AuditTrail::commit(ChainHead head) {
  const auto bytes = key_->seal(head);
  if (!bytes) return propagate(bytes);
  if (const Status written = head_.write_at_start(*bytes); !written) return written;
  state_ = head;
  known_ = head;
  return {};
}

bool AuditTrail::must_rotate(std::size_t more) const {
  if (state_->end == 0) return false;
  const std::int64_t age = unix_seconds(clock_->wall()) - begun_;
  return state_->end + more > limits_.most_bytes || state_->records > limits_.most_lines ||
         age >= limits_.most_age.count();
}

Status AuditTrail::rotate() {
  const auto number = free_number();
  if (!number) return propagate(number);
  ChainHead head = *state_;
  state_.reset();
  ChainRecord record;
  record.kind = ChainKind::kRotate;
  record.length = *number;
  record.number = head.number;
  record.end = head.end;
  if (const Status added = add(record, head); !added) return added;
  head.closing = *number;
  if (const Status committed = commit(head); !committed) return committed;
  state_.reset();
  return finish_rotation(head);
}

// Each step is left out where it is done already. The sizes are checked before: what is renamed is what the
// head is about.
Status AuditTrail::finish_rotation(const ChainHead& closed) {
  const std::string kept = names_.kept(closed.closing);
  if (!exists(kept)) {
    if (!log_.is_named_with(closed.end)) return set_aside(ChainStart::kLogChanged, closed);
    if (const Status renamed = rename_to_free_name(names_.log, kept); !renamed) return renamed;
  }
  const std::string kept_chain = names_.kept_chain(closed.closing);
  if (!exists(kept_chain)) {
    if (!chain_.is_named_with(closed.chain_size())) return set_aside(ChainStart::kChainChanged, closed);
    if (const Status renamed = rename_to_free_name(names_.chain(), kept_chain); !renamed) return renamed;
  }
  if (const Status opened = log_.open(); !opened) return opened;
  if (const Status opened = chain_.open(); !opened) return opened;
  if (!log_.is_named_with(0)) return set_aside(ChainStart::kLogLonger, closed);
  if (const Status begun = begin(ChainStart::kRotated, closed); !begun) return begun;
  remove_oldest();
  return {};
}

// A chain for the log that is open, which goes on from `before`. What the log has already (the first time:
// what was written before there was a chain) is vouched for as it is found.
Status AuditTrail::begin(ChainStart why, const ChainHead& before) {
  auto size = log_.size();
  if (!size) return propagate(size);
  if (*size > 0) {
    const auto last = log_.read(*size - 1, 1);
    if (!last) return propagate(last);
    if (*last != "\n") {
      if (const Status ended = log_.append("\n"); !ended) return ended;
      ++*size;
    }
  }
  if (const Status emptied = chain_.truncate(0); !emptied) return emptied;
  ChainHead head;
  head.generation = before.generation + 1;
  ChainRecord first;
  first.kind = ChainKind::kBegin;
  first.start = why;
  first.length = static_cast<std::uint32_t>(head.generation);
  first.number = before.number;
  first.digest = before.mac;
  if (const Status added = add(first, head); !added) return added;
  begun_ = first.time;
  if (*size > 0) {
    const auto older = log_.digest_of_start(*size);
    if (!older) return propagate(older);
    ChainRecord record;
    record.kind = ChainKind::kOlder;
    record.number = head.number + older->lines;
    record.end = *size;
    record.digest = older->digest;
    if (const Status added = add(record, head); !added) return added;
  }
  return commit(head);
}

// Only what has a chain is ours to remove.
void AuditTrail::remove_oldest() const {
  auto files = find_kept(names_);
  std::erase_if(files, [](const KeptFile& file) { return !file.chain; });
  for (std::size_t i = 0; i + limits_.kept < files.size(); ++i) {
    ::unlink(names_.kept(files[i].number).c_str());
    ::unlink(names_.kept_chain(files[i].number).c_str());
  }
}

Result<std::uint32_t> AuditTrail::free_number() const {
  const auto files = find_kept(names_);
  if (files.empty()) return 1;
  if (files.back().number >= kLastNumber)
    return fail(Errc::kExists, "{}: leaves no number to rotate to; move it away", names_.kept(kLastNumber));
  return files.back().number + 1;
}

void AuditTrail::forget() {
  log_.close();
  chain_.close();
  head_.close();
  key_.reset();
  state_.reset();
}

}  // namespace shed::broker
