// The whole way with OpenSSH's own programs at both ends: ssh-add, our server, our client, ssh-agent.
#include <csignal>

#include "agent_fixture.h"
#include "shed/async/process.h"
#include "shed/base/file.h"
#include "shed/ssh/agent_client.h"
#include "shed/ssh/agent_server.h"
#include "shed/ssh/verify.h"

namespace shed::ssh::test {
namespace {

class RelayService : public AgentService {
 public:
  explicit RelayService(SshBackend& backend) : backend_(backend) {}
  async::Task<Result<std::vector<Identity>>> list(const std::vector<SessionBind>& binds) override {
    return backend_.list(binds);
  }
  async::Task<Result<Signature>> sign(SignRequest request) override {
    return backend_.sign(std::move(request));
  }

 private:
  SshBackend& backend_;
};

net::Address unix_address(std::string path) {
  net::Address address;
  address.unix_path = std::move(path);
  return address;
}

struct RealAgent {
  TemporaryFolder folder;
  async::Loop loop;
  std::string upstream = folder / "upstream.sock";
  std::string relay = folder / "relay.sock";
  async::Process agent = start({"ssh-agent", "-D", "-a", upstream}, "");
  AgentBackend backend{loop, {upstream, Millis(25'000)}};
  RelayService service{backend};
  net::Listener listener = net::Listener::open(loop, unix_address(relay)).value();
  AgentServer server{loop, service};
  async::Scope scope{loop};

  // The backend's attempts to connect wait until the agent is up.
  RealAgent() {
    REQUIRE(loop.block_on(backend.list({})));
    scope.spawn(server.serve(listener.acceptor()));
  }
  ~RealAgent() {
    agent.kill(SIGTERM);
    loop.block_on(agent.wait());
  }

  async::Process start(std::vector<std::string> command, const std::string& socket) {
    async::ProcessOptions options;
    options.command = std::move(command);
    options.environment = {"PATH=" + environment("PATH"), "SSH_AUTH_SOCK=" + socket};
    options.stdin_fd = options.stdout_fd = options.stderr_fd = -1;
    auto process = async::Process::spawn(loop, options);
    REQUIRE(process);
    return std::move(*process);
  }
  int run_client(std::vector<std::string> command, const std::string& socket) {
    async::Process process = start(std::move(command), socket);
    return loop.block_on(process.wait()).shell_code();
  }
};

TEST_CASE("ssh-agent's keys are listed and sign through the client") {
  RealAgent it;
  for (const char* name : {"ed25519", "ecdsa256", "rsa"}) {
    REQUIRE(it.run_client({"ssh-add", "-q", key_path(name)}, it.upstream) == 0);
  }
  const auto listed = it.loop.block_on(it.backend.list({}));
  REQUIRE(listed);
  CHECK(listed->size() == 3);
  for (const Identity& identity : *listed) {
    for (const std::uint32_t flags : {SSH_AGENT_RSA_SHA2_256, SSH_AGENT_RSA_SHA2_512}) {
      const auto signature = it.loop.block_on(it.backend.sign({identity.key_blob, "data", flags, {}}));
      REQUIRE(signature);
      CHECK(verify_signature(identity.key_blob, encode_signature(*signature), "data"));
    }
  }
}

TEST_CASE("ssh-agent's failure is a missing key or a refusal") {
  RealAgent it;
  const auto missing = it.loop.block_on(it.backend.sign({ed25519_blob(), "data", 0, {}}));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == Errc::kNotFound);
  // A key for one destination does not sign on a connection that is bound to none.
  write_text(it.folder / "known_hosts", "host.example " + read_text(key_path("ecdsa256") + ".pub"));
  REQUIRE(it.run_client(
              {"ssh-add", "-q", "-H", it.folder / "known_hosts", "-h", "host.example", key_path("ed25519")},
              it.upstream) == 0);
  const auto refused = it.loop.block_on(it.backend.sign({public_blob_of_file("ed25519"), "data", 0, {}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kRefused);
}

TEST_CASE("a bind that ssh-agent refuses leaves keys without constraints usable") {
  const LogLines log;
  RealAgent it;
  REQUIRE(it.run_client({"ssh-add", "-q", key_path("ed25519")}, it.upstream) == 0);
  const auto signature =
      it.loop.block_on(it.backend.sign({public_blob_of_file("ed25519"), "data", 0, {make_bind(1)}}));
  CHECK(signature);
  CHECK(log.count("session bind: the agent") == 1);
}

TEST_CASE("ssh-add lists and tests keys through server and client, and cannot change them") {
  const LogLines log;
  RealAgent it;
  CHECK(it.run_client({"ssh-add", "-l"}, it.relay) == 1);  // no keys
  REQUIRE(it.run_client({"ssh-add", "-q", key_path("rsa")}, it.upstream) == 0);
  CHECK(it.run_client({"ssh-add", "-l"}, it.relay) == 0);
  CHECK(it.run_client({"ssh-add", "-T", key_path("rsa") + ".pub"}, it.relay) == 0);
  CHECK(it.run_client({"ssh-add", "-q", key_path("ed25519")}, it.relay) != 0);
  CHECK(it.run_client({"ssh-add", "-q", "-D"}, it.relay) != 0);
  CHECK(it.loop.block_on(it.backend.list({})).value().size() == 1);
  CHECK(log.count("refused: this agent lists and signs") == 1);
}

}  // namespace
}  // namespace shed::ssh::test
