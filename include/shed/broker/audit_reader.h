// Reads what an audit log says: all the files of it that are kept, the oldest first, line by line.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/base/result.h"

namespace shed::broker {

// A line that is longer is left out: no record of ours is, and the file may be anybody's.
inline constexpr std::size_t kLongestAuditLine = std::size_t{1024} * 1024;

// The fields of a record (protocol.md section 8); what a line does not have is empty. Texts are as they
// stand in the log: a guest may have chosen them.
struct AuditEntry {
  std::optional<WallTime> ts;  // nothing where `time` is no RFC 3339
  std::string time;
  std::string server, shed, ns, op, result, detail, code, reason, approval, decided_by, key, subject, proof,
      rule;
};
// Nothing for a line that is no JSON object.
std::optional<AuditEntry> parse_audit_line(JsonDocument& document, std::string_view line);

// Which records somebody wants to see; what is empty asks for nothing.
struct AuditFilter {
  std::optional<WallTime> since;
  std::string shed, ns, result;

  bool matches(const AuditEntry& entry) const;
};
// "2h" before now, or an RFC 3339 time. Errc::kInvalid with what would be right.
Result<WallTime> parse_since(std::string_view text, WallTime now);
// "ssh" for "ssh-agent", and so on; the full name is taken too. Errc::kInvalid with a suggestion.
Result<std::string> parse_audit_namespace(std::string_view text);
Result<std::string> parse_audit_result(std::string_view text);

// Takes the lines, without their newline, out of what is read piece by piece.
class LineSplitter {
 public:
  using Take = std::function<void(std::string_view line)>;
  void feed(std::string_view piece, const Take& take);
  // What is left without a newline, at the end of a file.
  void finish(const Take& take);
  std::size_t skipped() const { return skipped_; }  // lines that were too long

 private:
  void add(std::string_view text);

  std::string line_;
  bool too_long_ = false;
  std::size_t skipped_ = 0;
};

struct AuditReading {
  std::size_t skipped = 0;  // lines that were too long
};
// Every line that is there now. Files that were last written to before `since` are left out. Errc::kNotFound
// when there is no log at all.
Result<AuditReading> read_audit_lines(const std::string& path, std::optional<WallTime> since,
                                      const LineSplitter::Take& take);

// Hands out the lines that are appended, across rotations.
class AuditFollower {
 public:
  // Starts behind what is there now; a log that is not there yet is waited for.
  explicit AuditFollower(std::string path);
  AuditFollower(AuditFollower&&) noexcept;
  ~AuditFollower();
  // The lines that have come since the last call. An error that may pass leaves it where it was.
  Status poll(const LineSplitter::Take& take);

 private:
  Status read_more(const LineSplitter::Take& take);
  bool go_on();

  std::string path_;
  UniqueFd fd_;
  std::uint64_t offset_ = 0;
  LineSplitter splitter_;
};

}  // namespace shed::broker
