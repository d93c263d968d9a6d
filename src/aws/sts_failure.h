// What an answer of STS, or none, means.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/aws/sts_messages.h"
#include "shed/base/clock.h"
#include "shed/base/result.h"

namespace shed::aws {

// One request as messages name it.
struct StsCall {
  const AssumeRoleRequest& request;
  const Credentials& source;
  std::string_view host;
};

// An answer other than 200. `date` is its Date header, `now` our own time.
struct StsRefusal {
  int status;
  std::string_view body;
  std::string_view date;
  WallTime now;
};

// A failure, and whether it is worth another try.
struct Judged {
  Failure failure;
  bool retry = false;
};

Judged judge_refusal(const StsCall& call, const StsRefusal& refusal);
// No answer at all: the connection, the certificate, the time limit.
Judged judge_error(const StsCall& call, const Error& error);
// The CA file or the proxy that the environment or the profile names cannot be used.
Judged judge_setup(const StsCall& call, const Error& error);
// A 200 that makes no sense.
Judged judge_garbage(const StsCall& call, const Error& error);
// A request that we would not send.
Failure unsendable(const StsCall& call, const Error& error);

// "3m7s behind", for a clock that is off; empty below a second or when `date` is none.
std::string clock_offset(std::string_view date, WallTime now);

}  // namespace shed::aws
