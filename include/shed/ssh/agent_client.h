// The agent protocol's client: forwards every operation to the person's own SSH agent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/async/loop.h"
#include "shed/async/stream.h"
#include "shed/base/log.h"
#include "shed/ssh/backend.h"

namespace shed::ssh {

// Operations under way at a time; the others wait their turn, inside their own time limit. Twice as many as
// our bus lets one guest have: an agent that waits for a person with all of them has turns left for the
// others. Another host's bus may bring 192 of one guest (bus::ListenerClient::kCrowded), which then wait in
// front of the others for as long as the agent does.
inline constexpr std::size_t kMaxAgentOperations = 128;
// Getting to the agent: a turn, all attempts to connect, sending the binds; for list also the answer.
inline constexpr Millis kAgentLimit{3'000};
// The agent's answer to sign.
inline constexpr Millis kAgentSignLimit{10'000};

struct AgentOptions {
  // The agent's unix socket, normally the value of SSH_AUTH_SOCK.
  std::string socket_path;
  // The answer to sign with a security key, which a person has to touch.
  Millis touch_limit{25'000};
  // The answer to sign with any other key.
  Millis sign_limit = kAgentSignLimit;
  // Getting to the agent and its answer to list: longer where an agent asks a person before it lists.
  Millis list_limit = kAgentLimit;
};

// Connects to the agent's unix socket. Up to three attempts, 200 ms and 400 ms apart, when the socket
// is missing or refuses: a socket-activated agent restarts in that time. A full listen queue is waited
// for. Errc::kUnavailable, kTimeout (all of it took longer than kAgentLimit), kPermission, kInvalid and
// kLimit for what is no socket path.
async::Task<Result<async::Stream>> connect_agent(async::Loop& loop, std::string socket_path);

// Dials the agent anew for every operation. So an agent that was restarted is found again, and the
// binds that are replayed for one guest connection never mix with those of another.
//
// The binds go first, in order, each as a session-bind message; before that they are checked in form
// again, because they come from a guest. When the agent refuses one, that is one warning line, the
// binds behind it are not sent and the operation goes on, as OpenSSH's clients do: keys without
// constraints work, and the agent itself refuses a constrained one, because the session to sign for is
// not the last one it was told of. (Going on with later binds would hide a hop from it.)
//
// An agent answers "no such key" and "no" alike. On such an answer to sign, the same connection
// is asked for its list: kNotFound when the key is not there, else kRefused.
class AgentBackend : public SshBackend {
 public:
  AgentBackend(async::Loop& loop, AgentOptions options);

  async::Task<Result<std::vector<Identity>>> list(std::vector<SessionBind> binds) override;
  async::Task<Result<Signature>> sign(SignRequest request) override;
  async::Task<Result<Signature>> sign_with_chosen(KeyChoice& choice, SignRequest request) override;
  std::string_view mode() const override { return "agent-forward"; }

 private:
  class Turn;
  struct Session;
  async::Task<Result<Session>> open(std::vector<SessionBind> binds);
  async::Task<Result<std::vector<Identity>>> open_and_list(std::vector<SessionBind> binds);
  async::Task<Result<Signature>> open_and_sign(SignRequest request);
  async::Task<Result<Signature>> open_choose_and_sign(KeyChoice& choice, SignRequest request);
  async::Task<Result<Signature>> sign_on(Session& session, SignRequest request, std::string frame);
  async::Task<Error> explain_refusal(Session& session, const std::string& key_blob);

  async::Loop& loop_;
  AgentOptions options_;
  log::Limiter limiter_;
  std::size_t under_way_ = 0;
  async::Event turn_over_;
};

}  // namespace shed::ssh
