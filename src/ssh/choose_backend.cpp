#include "shed/ssh/choose_backend.h"

#include <utility>

#include "shed/ssh/local_keys.h"

namespace shed::ssh {
namespace {

async::Task<bool> agent_answers(async::Loop& loop, std::string socket_path) {
  if (socket_path.empty()) co_return false;
  const auto stream = co_await connect_agent(loop, std::move(socket_path));
  co_return stream.has_value();
}

}  // namespace

async::Task<Result<std::unique_ptr<SshBackend>>> choose_backend(async::Loop& loop, BackendOptions options) {
  BackendMode mode = options.mode;
  if (mode == BackendMode::kAuto) {
    const bool answers = co_await agent_answers(loop, options.agent.socket_path);
    mode = answers ? BackendMode::kAgentForward : BackendMode::kLocalKeys;
  }
  if (mode == BackendMode::kLocalKeys) {
    co_return std::make_unique<LocalKeysBackend>(loop, std::move(options.key_directory));
  }
  if (options.agent.socket_path.empty()) {
    co_return fail(
        Errc::kInvalid,
        "mode agent-forward: SSH_AUTH_SOCK is not set; start an agent with 'eval $(ssh-agent)', or "
        "use mode local-keys");
  }
  co_return std::make_unique<AgentBackend>(loop, std::move(options.agent));
}

}  // namespace shed::ssh
