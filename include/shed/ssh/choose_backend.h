// Agent or key files: which of them has the keys.
#pragma once

#include <memory>
#include <string>

#include "shed/async/loop.h"
#include "shed/ssh/agent_client.h"
#include "shed/ssh/backend.h"

namespace shed::ssh {

enum class BackendMode { kAuto, kAgentForward, kLocalKeys };

struct BackendOptions {
  BackendMode mode = BackendMode::kAuto;
  AgentOptions agent;         // an empty socket path: SSH_AUTH_SOCK is not set
  std::string key_directory;  // normally ~/.ssh, expanded
};

// kAuto: the agent, if its socket can be connected to (nothing is sent: some agents ask a person on
// the first message), else the key files. The choice is made once: an agent that is gone later is
// tried anew for every operation, and files never step in for it unasked.
//
// kAgentForward and kLocalKeys are taken as they are, answered or not. Errc::kInvalid for kAgentForward
// without a socket path, with the remedy.
async::Task<Result<std::unique_ptr<SshBackend>>> choose_backend(async::Loop& loop, BackendOptions options);

}  // namespace shed::ssh
