// Why there are no credentials: one text for the guest, another for the owner's log.
#pragma once

#include <expected>
#include <string>

namespace shed::aws {

struct Failure {
  enum class Kind {
    kSource,       // the owner's own credentials are missing, broken, expired or not taken by STS
    kRefused,      // STS said no, and will say no again
    kThrottled,    // STS wants to be asked less often
    kUnavailable,  // STS or a program could not be reached, failed or hung: later it may work
  };
  Kind kind = Kind::kUnavailable;
  // STS's own ("AccessDenied", "ExpiredToken", "Throttling", ...), or ours:
  //   SourceProfile  a profile, its files or the environment cannot be used   SourceExpired
  //   SourceProgram  a program could not be started, or failed                LongLivedKeys
  //   Timeout        Unreachable   Certificate   BadAnswer   Busy
  std::string code;
  std::string message;  // for the guest: nothing about the owner's account but the role's own error
  std::string detail;   // for the host's log: cause, file and line or request id, and what to do
};

template <class T>
using Outcome = std::expected<T, Failure>;

}  // namespace shed::aws
