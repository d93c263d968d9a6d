// The guest's side of the namespace docker-credentials: what `docker-credential-shed` says and how it ends
// (the protocol of docker's credential helpers; clients.md, "Docker credential helpers").
#pragma once

#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/base/secret.h"
#include "shed/broker/host_requests.h"

namespace shed::broker {

// What a client writes on a helper's standard input, at most.
inline constexpr std::size_t kMaxHelperInput = 64 * 1024;

// Clients read stdout, errors too; what is for a person alone goes to stderr.
struct HelperOutcome {
  Secret out;
  std::string err;
  int status = 0;
};

class DockerClient {
 public:
  static constexpr Millis kRequestLimit{5'000};

  DockerClient(async::Loop& loop, bus::Publisher& publisher);

  // `verb` is get, list, store or erase; anything else is a usage error. `input` is what came on standard
  // input. A registry that is not allowed is not-found for the client, so that public pulls go on, and
  // is told on stderr.
  async::Task<HelperOutcome> run(std::string verb, Secret input);

 private:
  async::Task<HelperOutcome> get(Secret input);
  async::Task<HelperOutcome> list();

  HostRequests host_;
};

}  // namespace shed::broker
