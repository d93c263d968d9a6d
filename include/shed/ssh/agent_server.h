// The agent protocol's server on a unix socket: what ssh, git and ssh-keygen in the guest talk to.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>

#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/log.h"
#include "shed/ssh/agent_session.h"

namespace shed::ssh {

struct AgentServerOptions {
  std::size_t max_connections = 1024;  // the next waits in the listen queue
  Millis message_limit{10'000};        // from a message's first byte to its last
  Millis write_limit{10'000};          // for a client to take an answer
  uid_t user = ::geteuid();            // who may connect, beside root
};

// Serves one client until it leaves. It is closed with a warning line (once per cause and minute) when
// it is another user's process, sends a frame of length 0 or over kMaxAgentMessage, or runs into one
// of the limits; there is none between messages, since ssh keeps its connection for as long as it
// lives. A client that only stops sending still gets its answers; one that goes away drops the
// operation under way (seen at once on Linux, elsewhere when the answer is written).
//
// An idle connection holds a buffer of 512 bytes; the memory of a larger message grows with the bytes
// that have come, and is given back after the answer. Messages are wiped: a client that tries to
// add a key sends a private one. Loop, service and limiter must outlive the task.
async::Task<> serve_agent_connection(async::Loop& loop, async::Stream stream, AgentService& service,
                                     log::Limiter& limiter, AgentServerOptions options);

class AgentServer {
 public:
  // The service must outlive the server.
  AgentServer(async::Loop& loop, AgentService& service, AgentServerOptions options = {});
  // Closes all connections and drops what is under way for them.
  ~AgentServer() = default;

  // Serves the acceptor's clients until the task is dropped, or the acceptor fails for good (one error
  // line). May run for several acceptors, which share the bound on connections.
  async::Task<> serve(async::Acceptor& acceptor);

  std::size_t connections() const { return connections_.size(); }

 private:
  AgentService& service_;
  AgentServerOptions options_;
  log::Limiter limiter_;
  async::Scope connections_;
};

}  // namespace shed::ssh
