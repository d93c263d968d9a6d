// Runs a program to its end and keeps what it says: for credential programs and helpers.
#pragma once

#include <string>
#include <vector>

#include "shed/async/loop.h"
#include "shed/async/process.h"
#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::async {

// What every pipe takes at once (POSIX PIPE_BUF allows less, Linux and macOS take this much).
inline constexpr std::size_t kMaxCaptureInput = 4096;

struct CaptureOptions {
  std::vector<std::string> command;      // the first is looked up in the PATH of `environment`
  std::vector<std::string> environment;  // "NAME=value"; the whole environment
  std::string input;                     // on its standard input, kMaxCaptureInput at most; empty: /dev/null
  std::size_t max_output = 64 * 1024;    // Errc::kLimit above
  std::size_t kept_errors = 4 * 1024;    // of its standard error only the end is kept
  Millis limit{60'000};                  // Errc::kTimeout
};

struct CapturedRun {
  ExitStatus status;
  Secret output;  // of its standard output: may hold credentials
  Secret errors;  // the end of its standard error
};

// The program is killed, with its children, at the limits and when the task is
// dropped. It is done when it exits: what its children write later is nobody's. Errors of
// Process::spawn() as they are, with the program's name in front; Errc::kLimit for too long an input.
Task<Result<CapturedRun>> run_captured(Loop& loop, CaptureOptions options);

}  // namespace shed::async
