// The guest's side of the namespace ssh-agent: what ssh asks the agent socket is asked on the bus.
#pragma once

#include <string>

#include "shed/async/loop.h"
#include "shed/base/log.h"
#include "shed/broker/host_requests.h"
#include "shed/ssh/agent_session.h"

namespace shed::broker {

// Whether the host agent answers, as the last ping saw it.
struct RelayState {
  bool connected = false;
  std::string reason;  // why not
  WallTime since{};
};

class SshRelay : public ssh::AgentService {
 public:
  static constexpr Millis kRequestLimit{3'000};

  // `status_file` is rewritten whenever the state changes, and removed at the end; empty for none.
  SshRelay(async::Loop& loop, bus::Publisher& publisher, std::string status_file);
  ~SshRelay() override;

  async::Task<Result<std::vector<ssh::Identity>>> list(const std::vector<ssh::SessionBind>& binds) override;
  async::Task<Result<ssh::Signature>> sign(ssh::SignRequest request) override;

  // Pings the host agent at once, and then as long as the task lives: every 2 s while it does not
  // answer, every minute while it does. The first failure is a warning with the remedy.
  async::Task<> watch_host();
  const RelayState& state() const { return state_; }

 private:
  async::Task<Result<bus::Publisher::Reply>> ask(std::string_view operation, std::string payload);
  void become(bool connected, std::string reason);
  void write_status();

  async::Loop& loop_;
  std::string publish_url_;
  HostRequests host_;
  std::string status_file_;
  RelayState state_;
};

}  // namespace shed::broker
