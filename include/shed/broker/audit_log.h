// The audit log: one JSON object per line for every decision (protocol.md section 8).
#pragma once

#include <string>
#include <string_view>

#include "shed/base/clock.h"
#include "shed/base/file.h"
#include "shed/base/result.h"

namespace shed::broker {

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
  std::string request_id;
  std::chrono::microseconds duration{0};
};

// One line, with its newline.
std::string format_audit_record(const AuditRecord& record);

class AuditLog {
 public:
  // Nothing is opened yet. An empty path is the explicit choice not to keep a log.
  explicit AuditLog(std::string path) : path_(std::move(path)) {}

  bool enabled() const { return !path_.empty(); }
  const std::string& path() const { return path_; }

  // Appends the record with one write; on return it is with the system, so a crash of this process
  // loses nothing. Opens the file (0600, in a directory 0700) when it is not open, when it was moved
  // or removed, and again after a failure: a full disk that has room again is enough to go on. On an
  // error nobody may be given what the record is about. What a failed write left behind is ended with
  // a newline first.
  Status write(const AuditRecord& record);
  // Whether a record could be written now, for start-up: opens the file.
  Status check() { return open(); }

 private:
  Status open();
  Status append(std::string_view line);
  bool still_there() const;
  std::string path_;
  UniqueFd fd_;
  bool broken_line_ = false;
};

}  // namespace shed::broker
