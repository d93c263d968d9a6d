// The audit log: one JSON object per line for every decision (protocol.md section 8).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shed/base/clock.h"
#include "shed/base/json.h"
#include "shed/base/result.h"

namespace shed::broker {

// Of records about what the owner did to guests (pause, resume, revoke); `*` is then the name of all. No
// guest asks in it.
inline constexpr std::string_view kControlNamespace = "host";

// Fields in the order in which they are written; empty ones are left out, but for shed, ns, op,
// result and approval.
struct AuditRecord {
  WallTime ts{};
  std::string server;
  std::string shed;
  std::string ns;
  std::string op;
  std::string result;  // ok, denied, error, anonymous
  std::string detail;
  std::string code;
  std::string reason;
  std::string approval = "none";  // the policy, or touchid, cached, none
  std::string decided_by;
  std::string scope;
  std::string ttl;
  std::string key;      // fingerprint
  std::string subject;  // what was signed ("login git@github.com"); the role, or passthrough:<profile>
  std::string proof;    // of a login's destination: verified, claimed, or empty where none is named
  std::string rule;     // that decided: `2 (line 14)`
  std::string request_id;
  std::chrono::microseconds duration{0};
};

// Everything but `ts`, into the object that is open.
void write_audit_fields(JsonWriter& json, const AuditRecord& record);
// One line, with its newline.
std::string format_audit_record(const AuditRecord& record);

// When the log goes on in a new file. What was rotated away is kept by number, never by age: a clock that
// jumps must not remove records.
struct AuditLimits {
  std::uint64_t most_bytes = 10 * 1024 * 1024;
  std::uint64_t most_lines = 100'000;
  std::chrono::seconds most_age = std::chrono::hours(30 * 24);
  std::size_t kept = 5;    // files beside the one that is written to
  Millis lock_limit{500};  // for another process that writes the same log
};

class AuditTrail;

class AuditLog {
 public:
  // Nothing is opened yet. An empty path is the explicit choice not to keep a log. The clock must outlive
  // the log.
  explicit AuditLog(std::string path, const Clock& clock = system_clock(), AuditLimits limits = {});
  AuditLog(AuditLog&&) noexcept;
  AuditLog& operator=(AuditLog&&) noexcept;
  ~AuditLog();

  bool enabled() const { return !path_.empty(); }
  const std::string& path() const { return path_; }

  // Appends the record, and a record of it to the chain beside the log, by which a change of either is
  // noticed (src/broker/audit_chain.h). On return both are with the system, so a crash of this process loses
  // nothing; what a crash or a full disk has left half written is ended first. Opens the files (0600, in a
  // directory 0700) when they are not open, when they were moved or removed, and again after a failure: a
  // full disk that has room again is enough to go on. On an error nobody may be given what the record is
  // about. Several processes may write one log. Waits at most AuditLimits::lock_limit for another one.
  Status write(const AuditRecord& record);
  // Whether a record could be written now, for start-up: opens the files.
  Status check();
  // Is called with each record after it was written, or would have been where no log is kept.
  void set_observer(std::function<void(const AuditRecord&)> observer) { observer_ = std::move(observer); }

 private:
  std::string path_;
  std::unique_ptr<AuditTrail> trail_;
  std::function<void(const AuditRecord&)> observer_;
};

}  // namespace shed::broker
