// An AgentBackend, and the agent behind it as a script.
#pragma once

#include "agent_fixture.h"
#include "shed/ssh/agent_client.h"
#include "support/fake_clock.h"

namespace shed::ssh::test {

inline const Signature kSignature{"ssh-ed25519", std::string(64, 's'), ""};

// An agent with one key that takes every bind and signs everything.
inline std::optional<std::string> good_answer(std::string_view message) {
  switch (message[0]) {
    case SSH_AGENTC_REQUEST_IDENTITIES:
      return encode_identities(std::vector<Identity>{{ed25519_blob(), "the key"}}).value();
    case SSH_AGENTC_SIGN_REQUEST:
      return encode_sign_response(kSignature).value();
    default:
      return encode_success();
  }
}

// Good, but for the messages with this number.
inline ScriptedAgent::Answer but(std::uint8_t number, std::optional<std::string> answer) {
  return [=](std::string_view message) {
    return static_cast<std::uint8_t>(message[0]) == number ? answer : good_answer(message);
  };
}

struct Forwarding {
  FakeClock clock;
  LogLines log;
  TemporaryFolder folder;
  async::Loop loop{clock};
  std::string path = folder / "upstream.sock";
  std::optional<ScriptedAgent> agent;
  AgentBackend backend{loop, {path, Millis(25'000)}};

  void start(ScriptedAgent::Answer answer = good_answer) { agent.emplace(loop, path, std::move(answer)); }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  Running<Result<std::vector<Identity>>> list(std::vector<SessionBind> binds = {}) {
    return {loop, backend.list(std::move(binds))};
  }
  Running<Result<Signature>> sign(std::string key = ed25519_blob(), std::uint32_t flags = 0,
                                  std::vector<SessionBind> binds = {}) {
    return {loop, backend.sign({std::move(key), "data", flags, std::move(binds)})};
  }
};

template <class T>
Error error_of(const std::optional<Result<T>>& result) {
  REQUIRE(result.has_value());
  REQUIRE_FALSE(result->has_value());
  return result->error();
}

}  // namespace shed::ssh::test
