// host-agent-status.sock: on connect one JSON document, then closed (protocol.md section 9).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shed/async/scope.h"
#include "shed/broker/grants.h"
#include "shed/net/listener.h"

namespace shed::broker {

inline constexpr int kStatusSchema = 1;

struct StatusDocument {
  struct Listener {
    std::string ns, state, last_error;
    WallTime since;
  };
  struct Server {
    std::string name, url;
    std::vector<Listener> listeners;
  };
  struct ApprovalChannel {
    std::string socket_path;  // empty: there is none
    bool consumer_connected = false;
    std::string client_name, client_version;
    std::size_t grants = 0;  // (ours) in force; `granted` has them
  };
  WallTime started_at;
  std::string config_path;
  std::vector<std::pair<std::string, std::string>> policies;       // namespace, policy
  std::vector<std::pair<std::string, std::string>> nobody_to_ask;  // (ours) namespace, why its policy denies
  std::vector<std::string> gate_namespaces;
  ApprovalChannel approval = {};
  std::vector<Grant> granted = {};  // (ours) absent when empty; fields as the approval channel has them
  std::vector<Server> servers;
  std::vector<std::pair<std::string, std::string>> paused = {};  // (ours) server and guest; empty: every one
};

std::string encode_status(const StatusDocument& document, WallTime now);

// $SHED_HOST_AGENT_SOCKET_DIR, else the platform's place for it.
std::string host_agent_socket_directory();
std::string default_status_socket();

class StatusSocket {
 public:
  // Makes the directory (0700) and the socket (0600).
  static Result<std::unique_ptr<StatusSocket>> open(async::Loop& loop, const std::string& path,
                                                    std::function<StatusDocument()> current);
  StatusSocket(async::Loop& loop, net::Listener listener, std::function<StatusDocument()> current);
  async::Task<> run();

 private:
  async::Task<> serve(async::Stream stream);
  async::Loop& loop_;
  net::Listener listener_;
  std::function<StatusDocument()> current_;
  async::Scope clients_;
};

// The document of the running host agent. Errc::kUnavailable when there is none, kProtocol for one
// of another schema.
async::Task<Result<std::string>> read_status(async::Loop& loop, std::string path);

}  // namespace shed::broker
