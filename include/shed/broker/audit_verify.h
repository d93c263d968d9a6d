// Whether an audit log is as the host agent wrote it: every line of every file that is kept, against the
// chain beside it. What the chain can and cannot show stands in src/broker/audit_chain.h.
#pragma once

#include <string>
#include <vector>

#include "shed/broker/audit_log.h"

namespace shed::broker {

struct AuditVerdict {
  enum class Outcome {
    kIntact,
    kChanged,       // the text names the first line that was changed, removed or added
    kUnverifiable,  // there is no chain, or no key, or they cannot be read
  };
  Outcome outcome = Outcome::kUnverifiable;
  std::string text;                // one line: "<file>:<line>: <what>" where there is a line
  std::vector<std::string> notes;  // no change, but worth knowing: a line that a crash has cut short
};

// Only reads. Files that are written to meanwhile are looked at as they are at the start, for which the
// lock of the log is held for a moment (waited for as `limits` say). Memory: the chain of one file.
AuditVerdict verify_audit_log(const std::string& path, const AuditLimits& limits = {});

}  // namespace shed::broker
