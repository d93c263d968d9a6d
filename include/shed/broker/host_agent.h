// The host agent: listeners on the bus, handlers behind them, the gate in front of these, and its two
// sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shed/async/scope.h"
#include "shed/aws/credential_service.h"
#include "shed/broker/approval_channel.h"
#include "shed/broker/asking_gate.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/control_socket.h"
#include "shed/broker/grants.h"
#include "shed/broker/host_persons.h"
#include "shed/broker/host_servers.h"
#include "shed/broker/rate_limiter.h"
#include "shed/broker/replay_guard.h"
#include "shed/broker/screen_lock.h"
#include "shed/broker/ssh_handler.h"
#include "shed/broker/status_socket.h"
#include "shed/bus/listener_client.h"
#include "shed/docker/login_store.h"
#include "shed/ssh/backend.h"

namespace shed::broker {

struct HostAgentOptions {
  std::vector<HostServer> servers;
  std::string agent_socket;                    // the person's SSH agent; empty: none
  std::string key_directory;                   // ~/.ssh, expanded
  std::string status_socket;                   // empty: none
  std::string control_socket;                  // empty: none, so that nobody can pause
  std::string approval_socket;                 // empty: none, so that nobody can be asked
  std::vector<std::string> known_hosts_files;  // by which hosts are named
  std::function<std::unique_ptr<ScreenLock>(async::Loop&)> screen_lock = make_screen_lock;
};

class HostAgent {
 public:
  // Listens to ssh-agent and docker-credentials, and to aws-credentials where the configuration gives
  // credentials to anybody.
  // Looks for the SSH agent, says what is worth knowing (an omitted policy, a log that is switched
  // off or cannot be written), and opens its sockets. Errc::kInvalid and what
  // net::Listener::open() says.
  static async::Task<Result<std::unique_ptr<HostAgent>>> start(async::Loop& loop, HostConfig config,
                                                               HostAgentOptions options);
  // Without `credentials` and `logins` those sides are made here, where they are needed.
  HostAgent(async::Loop& loop, HostConfig config, HostAgentOptions options,
            std::unique_ptr<ssh::SshBackend> backend,
            std::unique_ptr<aws::CredentialBackend> credentials = nullptr,
            std::unique_ptr<docker::LoginBackend> logins = nullptr);
  HostAgent(const HostAgent&) = delete;
  HostAgent& operator=(const HostAgent&) = delete;

  // Serves until the task is dropped.
  async::Task<> run();
  // Waits until every listener is on its bus; false when that takes longer.
  async::Task<bool> connected(Millis limit);
  StatusDocument status();
  // What was granted ends here, by screen lock or by who says so.
  AskingGate& gate() { return gate_; }
  // Pauses, resumes and revokes.
  HostControl& control() { return control_; }

 private:
  void serve(const HostServer& server);
  void listen(const HostServer& server, Namespace ns, std::unique_ptr<bus::RequestHandler> handler);
  Status open_sockets();
  async::Task<> say_when_there_are_no_keys();
  void say_whether_locks_are_noticed() const;

  async::Loop& loop_;
  HostConfig config_;
  HostAgentOptions options_;
  WallTime started_at_;
  std::unique_ptr<ssh::SshBackend> backend_;
  std::unique_ptr<aws::CredentialBackend> credentials_;  // nullptr: AWS is not configured
  std::unique_ptr<docker::LoginBackend> logins_;
  AuditLog audit_;
  Grants grants_;
  ApprovalChannel channel_;
  HostPersons persons_;
  AskingGate gate_;
  std::unique_ptr<ScreenLock> screen_lock_;  // nullptr where nothing can be granted
  SubjectReader subjects_;
  RefusalLog refusals_;
  KillSwitch kill_switch_;
  RateTable rates_;
  std::vector<std::unique_ptr<ReplayMemory>> memories_;  // one a server
  HostControl control_;
  std::vector<std::unique_ptr<bus::RequestHandler>> handlers_;
  std::vector<std::pair<const HostServer*, std::unique_ptr<bus::ListenerClient>>> listeners_;
  std::unique_ptr<StatusSocket> status_socket_;
  std::unique_ptr<ControlSocket> control_socket_;
};

}  // namespace shed::broker
