// Asks STS for a role's session credentials.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shed/async/loop.h"
#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/aws/sts_endpoint.h"
#include "shed/aws/sts_messages.h"
#include "shed/net/proxy.h"
#include "shed/net/tls.h"

namespace shed::aws {

// How STS is reached; from the environment and the profile.
struct StsTarget {
  StsEndpoint endpoint;
  std::string ca_file;  // empty: the system's roots
  net::ProxyEnvironment proxy;
};

class StsClient {
 public:
  static constexpr int kAttempts = 3;
  static constexpr Millis kAttemptLimit{10'000};  // of one attempt, connecting included
  static constexpr Millis kTotalLimit{25'000};    // of them all, with the pauses between them

  virtual ~StsClient() = default;
  // Tries again after connection errors, 429, 500, 502, 503, 504 and the throttling codes, with a
  // pause of random length up to 0.5 s, 1 s, ... (full jitter). An answer that says that the signature
  // is expired or not yet valid tells in its Date header by how much our clock is off: Failure::detail
  // says so. `source` must stay until the task is done. Failure's texts hold neither its secret nor its
  // token, whatever the server sends.
  virtual async::Task<Outcome<Credentials>> assume_role(AssumeRoleRequest request, const Credentials& source,
                                                        StsTarget target) = 0;
};

// Numbers from 0 up to, but not 1.
using Random = std::function<double()>;

// Keeps connections to the last few targets. Without `random`, the system's is used.
std::unique_ptr<StsClient> make_sts_client(async::Loop& loop, Random random = {});

}  // namespace shed::aws
