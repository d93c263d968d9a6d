// The agent protocol's server, without sockets: one message in, one answer out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/task.h"
#include "shed/base/log.h"
#include "shed/base/result.h"
#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

// Who answers the two questions a guest may ask. Must answer in time: the session has no limit of its
// own. A task may be dropped at any wait, when the client goes away. An error becomes
// SSH_AGENT_FAILURE for the client; its text is logged as a warning by the session, once per text and
// minute, so it is written for the person who runs the guest and needs not be logged again.
class AgentService {
 public:
  virtual ~AgentService() = default;
  // `binds` are those of the connection, and stay as they are until the task is done or dropped.
  virtual async::Task<Result<std::vector<Identity>>> list(const std::vector<SessionBind>& binds) = 0;
  virtual async::Task<Result<Signature>> sign(SignRequest request) = 0;
};

// What one client connection has said so far. One message at a time. Independent of loop and sockets:
// it waits only for the service.
//
//   list (11), sign (13)          asked of the service, with the connection's binds
//   session-bind@openssh.com      checked in form, remembered: 6, else 28
//   query                         29 and the names of these two
//   any other extension           5, RFC 9987 section "Extension mechanism"
//   anything else, malformed      5; nothing that would change the host's agent gets further
//
// Once a bind was refused no later one is taken: with a hop missing, the chain of binds would show the
// host's agent a shorter way than the one that was gone.
class AgentSession {
 public:
  // Both must outlive the session; the limiter is shared by all connections.
  AgentSession(AgentService& service, log::Limiter& limiter);
  AgentSession(const AgentSession&) = delete;
  AgentSession& operator=(const AgentSession&) = delete;

  // The whole frame to answer with. `message` is a message without its length; it must stay until
  // the task is done or dropped.
  async::Task<std::string> handle(std::string_view message);

  const std::vector<SessionBind>& binds() const { return binds_; }

 private:
  async::Task<std::string> list();
  async::Task<std::string> sign(SignRequest request);
  std::string extension(const ExtensionRequest& request);
  Status bind(std::string_view contents);
  std::string refuse(std::string_view what, const Error& cause, std::string_view object = {});

  AgentService& service_;
  log::Limiter& limiter_;
  std::vector<SessionBind> binds_;
  bool bind_refused_ = false;
};

}  // namespace shed::ssh
