// Points in time as ssh-keygen takes them on its command line and in allowed_signers files.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed::ssh {

// Seconds: a WallTime ends in 2262, and "valid-before=99991231" is in use.
using SigningTime = std::chrono::sys_seconds;

// YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z or UTC behind it (in any case), else in the local time
// zone, without daylight saving time: as ssh-keygen has it. A day that its month does not have is one of the
// next month. Errc::kInvalid for anything else and for times up to 1970-01-01T00:00:00Z.
Result<SigningTime> parse_signing_time(std::string_view text);

// In the local time zone, 2026-03-31T15:04:05.
std::string format_signing_time(SigningTime time);

}  // namespace shed::ssh
