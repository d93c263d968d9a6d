#include "shed/ssh/choose_backend.h"

#include "agent_fixture.h"
#include "support/fake_clock.h"

namespace shed::ssh::test {
namespace {

struct Choice {
  FakeClock clock;
  LogLines log;
  TemporaryFolder folder;
  async::Loop loop{clock};
  BackendOptions options{BackendMode::kAuto, {folder / "agent.sock", Millis(25'000)}, folder.path()};

  Result<std::unique_ptr<SshBackend>> choose() {
    Running choosing(loop, choose_backend(loop, options));
    loop.poll();
    for (int i = 0; i < 2 && !choosing.result; ++i) {
      clock.advance(Millis(400));
      loop.poll();
    }
    REQUIRE(choosing.result.has_value());
    return std::move(*choosing.result);
  }
};

TEST_CASE("an agent that can be reached is chosen without sending it anything") {
  Choice it;
  ScriptedAgent agent(it.loop, it.options.agent.socket_path, [](std::string_view) { return std::nullopt; });
  const auto backend = it.choose();
  REQUIRE(backend);
  CHECK((*backend)->mode() == "agent-forward");
  it.loop.poll();
  CHECK(agent.connections == 1);
  CHECK(agent.open_connections == 0);
  CHECK(agent.messages.empty());
}

TEST_CASE("without an agent that can be reached the key files are chosen") {
  Choice it;
  if (GENERATE(true, false)) it.options.agent.socket_path.clear();
  const auto backend = it.choose();
  REQUIRE(backend);
  CHECK((*backend)->mode() == "local-keys");
}

TEST_CASE("local keys are chosen beside a living agent when they are asked for") {
  Choice it;
  ScriptedAgent agent(it.loop, it.options.agent.socket_path, [](std::string_view) { return std::nullopt; });
  it.options.mode = BackendMode::kLocalKeys;
  const auto backend = it.choose();
  REQUIRE(backend);
  CHECK((*backend)->mode() == "local-keys");
  CHECK(agent.connections == 0);
}

TEST_CASE("an agent that is asked for may come later") {
  Choice it;
  it.options.mode = BackendMode::kAgentForward;
  const auto backend = it.choose();
  REQUIRE(backend);
  CHECK((*backend)->mode() == "agent-forward");
}

TEST_CASE("an agent that is asked for without a path is an error with the remedy") {
  Choice it;
  it.options.mode = BackendMode::kAgentForward;
  it.options.agent.socket_path.clear();
  const auto backend = it.choose();
  REQUIRE_FALSE(backend);
  CHECK(backend.error().code() == Errc::kInvalid);
  CHECK(backend.error().text() ==
        "mode agent-forward: SSH_AUTH_SOCK is not set; start an agent with 'eval $(ssh-agent)', or use mode "
        "local-keys");
}

}  // namespace
}  // namespace shed::ssh::test
