#include "shed/broker/audit_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "broker/audit_chain.h"
#include "shed/base/log.h"
#include "shed/base/suggest.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/policy.h"

namespace shed::broker {
namespace {

constexpr std::size_t kReadStep = std::size_t{64} * 1024;
constexpr std::array<std::string_view, 4> kResults{"ok", "denied", "error", "anonymous"};

Result<UniqueFd> open_log(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) return std::unexpected(system_error(errno).in(path));
  if (!S_ISREG(info.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", path);
  return fd;
}

bool last_written_before(const std::string& path, WallTime time) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return false;
  return WallTime(std::chrono::seconds(info.st_mtime + 1)) < time;
}

bool is_file(const struct stat& mine, const std::string& path) {
  struct stat other{};
  return ::stat(path.c_str(), &other) == 0 && other.st_dev == mine.st_dev && other.st_ino == mine.st_ino;
}

// Only what we rotated: others may keep files of such names.
std::vector<std::string> kept_logs(const TrailNames& names) {
  std::vector<std::string> paths;
  for (const KeptFile& file : find_kept(names)) {
    if (file.chain && file.log) paths.push_back(names.kept(file.number));
  }
  return paths;
}

Status read_lines(const std::string& path, LineSplitter& splitter, const LineSplitter::Take& take) {
  const auto fd = open_log(path);
  if (!fd) return propagate(fd);
  std::string piece(kReadStep, '\0');
  for (;;) {
    const ssize_t count = ::read(fd->get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno).in(path));
    if (count == 0) break;
    splitter.feed(std::string_view(piece).substr(0, static_cast<std::size_t>(count)), take);
  }
  splitter.finish(take);
  return {};
}

std::unexpected<Error> not_one_of(std::string_view text, std::span<const std::string_view> known) {
  const std::string_view meant = nearest(text, known);
  return fail(Errc::kInvalid, "'{}' is none of {}{}", log::printable(text), fmt::join(known, ", "),
              meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant));
}

}  // namespace

std::optional<AuditEntry> parse_audit_line(JsonDocument& document, std::string_view line) {
  const auto root = document.parse(line);
  if (!root || !root->is_object()) return std::nullopt;
  const auto text = [&root](std::string_view name) { return std::string((*root)[name].string_or("")); };
  AuditEntry entry;
  entry.time = text("ts");
  if (const auto ts = parse_rfc3339(entry.time)) entry.ts = *ts;
  entry.server = text("server");
  entry.shed = text("shed");
  entry.ns = text("ns");
  entry.op = text("op");
  entry.result = text("result");
  entry.detail = text("detail");
  entry.code = text("code");
  entry.reason = text("reason");
  entry.approval = text("approval");
  entry.decided_by = text("decided_by");
  entry.key = text("key");
  entry.subject = text("subject");
  entry.proof = text("proof");
  entry.rule = text("rule");
  return entry;
}

bool AuditFilter::matches(const AuditEntry& entry) const {
  const auto fits = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  if (since && (!entry.ts || *entry.ts < *since)) return false;
  return fits(shed, entry.shed) && fits(ns, entry.ns) && fits(result, entry.result);
}

Result<WallTime> parse_since(std::string_view text, WallTime now) {
  if (const auto age = parse_duration(text); age && *age >= Millis(0)) return now - *age;
  if (const auto time = parse_rfc3339(text)) return *time;
  return fail(Errc::kInvalid, "'{}' is neither a duration such as 2h nor a time such as {}",
              log::printable(text), format_rfc3339(now));
}

Result<std::string> parse_audit_namespace(std::string_view text) {
  std::vector<std::string_view> names;
  for (const Namespace ns : kNamespaces) {
    const std::string_view name = namespace_name(ns);
    if (text == name || text == name.substr(0, name.find('-'))) return std::string(name);
    names.push_back(name);
  }
  if (text == kControlNamespace) return std::string(text);
  names.push_back(kControlNamespace);
  return not_one_of(text, names);
}

Result<std::string> parse_audit_result(std::string_view text) {
  if (std::ranges::find(kResults, text) != kResults.end()) return std::string(text);
  return not_one_of(text, kResults);
}

void LineSplitter::add(std::string_view text) {
  too_long_ = too_long_ || line_.size() + text.size() > kLongestAuditLine;
  if (too_long_) {
    line_.clear();
  } else {
    line_ += text;
  }
}

void LineSplitter::feed(std::string_view piece, const Take& take) {
  while (!piece.empty()) {
    const auto newline = piece.find('\n');
    if (newline == piece.npos) return add(piece);
    add(piece.substr(0, newline));
    piece.remove_prefix(newline + 1);
    finish(take);
  }
}

void LineSplitter::finish(const Take& take) {
  if (too_long_) {
    ++skipped_;
  } else if (!line_.empty()) {
    take(line_);
  }
  line_.clear();
  too_long_ = false;
}

Result<AuditReading> read_audit_lines(const std::string& path, std::optional<WallTime> since,
                                      const LineSplitter::Take& take) {
  LineSplitter splitter;
  for (const std::string& kept : kept_logs(TrailNames(path))) {
    if (since && last_written_before(kept, *since)) continue;
    const Status read = read_lines(kept, splitter, take);
    // It may be rotated away for good just now.
    if (!read && read.error().code() != Errc::kNotFound) return propagate(read);
  }
  if (const Status read = read_lines(path, splitter, take); !read) return propagate(read);
  return AuditReading{splitter.skipped()};
}

AuditFollower::AuditFollower(std::string path) : path_(std::move(path)) {
  auto fd = open_log(path_);
  if (!fd) return;
  struct stat info{};
  if (::fstat(fd->get(), &info) == 0) offset_ = static_cast<std::uint64_t>(info.st_size);
  fd_ = std::move(*fd);
}
AuditFollower::AuditFollower(AuditFollower&&) noexcept = default;
AuditFollower::~AuditFollower() = default;

Status AuditFollower::poll(const LineSplitter::Take& take) {
  // Each turn reads one file to its end; more than are kept cannot have been written since the last call.
  for (std::size_t turn = 0; turn <= kMostKept; ++turn) {
    if (!fd_) {
      auto fd = open_log(path_);
      if (!fd && fd.error().code() == Errc::kNotFound) return {};
      if (!fd) return propagate(fd);
      fd_ = std::move(*fd);
      offset_ = 0;
    }
    if (const Status read = read_more(take); !read) return read;
    if (!go_on()) return {};
  }
  return {};
}

Status AuditFollower::read_more(const LineSplitter::Take& take) {
  std::string piece(kReadStep, '\0');
  for (;;) {
    const ssize_t count = ::pread(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(offset_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno).in(path_));
    if (count == 0) return {};
    offset_ += static_cast<std::uint64_t>(count);
    splitter_.feed(std::string_view(piece).substr(0, static_cast<std::size_t>(count)), take);
  }
}

// When our file is no longer the log, the one behind it: whether there is more to read now.
bool AuditFollower::go_on() {
  struct stat mine{};
  struct stat named{};
  if (::fstat(fd_.get(), &mine) != 0 || ::stat(path_.c_str(), &named) != 0) return false;
  if (mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
    if (static_cast<std::uint64_t>(mine.st_size) < offset_) offset_ = 0;  // emptied in place
    return false;
  }
  // What came between our last look and the rotation is read before.
  if (static_cast<std::uint64_t>(mine.st_size) > offset_) return true;
  const auto kept = kept_logs(TrailNames(path_));
  auto at = std::ranges::find_if(kept, [&mine](const std::string& path) { return is_file(mine, path); });
  if (at != kept.end()) ++at;
  auto next = open_log(at == kept.end() ? path_ : *at);
  if (!next) return false;
  fd_ = std::move(*next);
  offset_ = 0;
  return true;
}

}  // namespace shed::broker
