#include "shed/broker/host_agent.h"

#include "approval_fixture.h"
#include "host_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

std::string sign_payload() {
  ssh::SignRequest request;
  request.key_blob = ed25519();
  request.data = "data";
  return encode_sign_payload(request);
}

TEST_CASE("what a guest asks on the bus is decided, signed and recorded") {
  HostFixture fixture;
  fixture.run();
  CHECK(member(fixture.ask(sign_payload()), "format") == "ssh-ed25519");
  const std::string record = text_of_file(fixture.folder / "log/audit.log");
  CHECK(member(record, "server") == "mini2");
  CHECK(member(record, "shed") == "web");
  CHECK(member(record, "approval") == "approve-all");
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("the configured policy is the gate") {
  HostFixture fixture;
  fixture.config.ssh_approval.policy = Policy::kDenyAll;
  fixture.run();
  CHECK(member(fixture.ask(sign_payload()), "reason_code") == "POLICY_DENIED");
  CHECK(fixture.backend->signs.empty());
}

class AskingFixture : public HostFixture {
 public:
  AskingFixture() {
    config.ssh_approval.policy = Policy::kShedDesktop;
    options.approval_socket = folder / "run/host-agent.sock";
    REQUIRE(start());
    sign_later();
  }
  ~AskingFixture() { tasks.cancel(); }
  void sign_later() { answer.emplace(loop, publisher->request("ssh-agent", sign_payload(), 30s)); }
  std::optional<net::Running<Result<bus::Publisher::Reply>>> answer;
};

TEST_CASE("without an approver a guest is told at once how to get one") {
  AskingFixture fixture;
  REQUIRE(fixture.answer->done());
  CHECK(member((**fixture.answer)->payload(), "reason") == "no approver is connected; run shed-ext approve");
  CHECK(member((**fixture.answer)->payload(), "reason_code") == "APPROVAL_DENIED");
}

TEST_CASE("a person's answer is what the guest gets, the record has it, and the approver is told") {
  AskingFixture fixture;
  Approver approver(fixture.loop, fixture.options.approval_socket);
  fixture.sign_later();
  CHECK_FALSE(fixture.answer->done());
  approver.answer(approver.asked(), "deny");
  REQUIRE(fixture.answer->done());
  CHECK(member((**fixture.answer)->payload(), "error") == "approval denied");
  const std::string event = approver.line("event");
  CHECK(member(event, "result") == "denied");
  CHECK(member(event, "decided_by") == "me");
  CHECK(member(event, "reason") == "me said no");
  const StatusDocument::ApprovalChannel status = fixture.agent->status().approval;
  CHECK(status.socket_path == fixture.options.approval_socket);
  CHECK(status.consumer_connected);
  CHECK(status.client_name == "desk");
}

TEST_CASE("a second host agent does not take the approval socket") {
  AskingFixture fixture;
  HostFixture second;
  second.options.approval_socket = fixture.options.approval_socket;
  CHECK_THAT(second.start().error().text(), Catch::StartsWith("approval socket: "));
}

TEST_CASE("a log that is switched off is not written") {
  HostFixture fixture;
  fixture.config.logging_enabled = false;
  fixture.run();
  CHECK(member(fixture.ask(sign_payload()), "format") == "ssh-ed25519");
  CHECK_FALSE(std::filesystem::exists(fixture.folder / "log"));
}

TEST_CASE("it is known when every listener is on its bus") {
  HostFixture fixture;
  fixture.run();
  net::Running<bool> there(fixture.loop, fixture.agent->connected(2s));
  CHECK(*there);
}

TEST_CASE("a bus that is away is waited for no longer than that") {
  HostFixture fixture;
  fixture.options.servers.push_back({"other", *net::parse_url("unix://" + fixture.folder / "none.sock"), ""});
  fixture.run();
  net::Running<bool> there(fixture.loop, fixture.agent->connected(2s));
  fixture.clock.advance(1'999ms);
  CHECK_FALSE(there.done());
  fixture.clock.advance(1ms);
  REQUIRE(there.done());
  CHECK_FALSE(*there);
}

TEST_CASE("an agent that is stopped leaves the bus") {
  HostFixture fixture;
  fixture.run();
  async::Scope& tasks = fixture.tasks;
  tasks.cancel();  // the bus's own task as well
  tasks.spawn(fixture.bus->serve());
  fixture.loop.poll();
  CHECK_THAT(fixture.ask(ping_request()), Catch::Contains("NO_CONNECTION"));
}

TEST_CASE("the status has policies and every server's listeners") {
  HostFixture fixture;
  fixture.config.file = "/home/me/extensions.yaml";
  fixture.config.docker.approval.policy = Policy::kShedDesktop;
  fixture.options.servers.push_back({"other", *net::parse_url("unix://" + fixture.folder / "none.sock"), ""});
  fixture.run();
  const StatusDocument status = fixture.agent->status();
  CHECK(status.started_at == fixture.clock.wall());
  CHECK(status.config_path == "/home/me/extensions.yaml");
  CHECK(status.policies ==
        std::vector<std::pair<std::string, std::string>>{{"ssh-agent", "approve-all"},
                                                         {"aws-credentials", "deny-all"},
                                                         {"docker-credentials", "shed-desktop"}});
  CHECK(status.gate_namespaces == std::vector<std::string>{"docker-credentials"});
  REQUIRE(status.servers.size() == 2);
  CHECK(status.servers[0].name == "mini2");
  CHECK(status.servers[0].url == "unix://" + fixture.folder / "host.sock");
  REQUIRE(status.servers[0].listeners.size() == 2);
  CHECK(status.servers[0].listeners[0].ns == "ssh-agent");
  CHECK(status.servers[0].listeners[1].ns == "docker-credentials");
  CHECK(status.servers[0].listeners[0].state == "connected");
  CHECK(status.servers[0].listeners[0].last_error.empty());
  CHECK(status.servers[1].name == "other");
  REQUIRE(status.servers[1].listeners.size() == 2);
  CHECK(status.servers[1].listeners[0].state == "reconnecting");
  CHECK_THAT(status.servers[1].listeners[0].last_error, Catch::Contains("none.sock"));
}

TEST_CASE("the status names a server on TCP by its URL") {
  HostFixture fixture;
  fixture.options.servers[0].url = *net::parse_url("http://localhost:8080");
  auto fake = std::make_unique<FakeBackend>(fixture.loop);
  HostAgent agent(fixture.loop, fixture.config, fixture.options, std::move(fake));
  CHECK(agent.status().servers.at(0).url == "http://localhost:8080");
}

TEST_CASE("an agent that was started answers on its status socket") {
  HostFixture fixture;
  REQUIRE(fixture.start());
  CHECK(member(fixture.ask(R"({"operation":"status"})"), "mode") == "local-keys");
  net::Running<Result<std::string>> report(fixture.loop,
                                           read_status(fixture.loop, fixture.folder / "run/status.sock"));
  CHECK((*report).value() == encode_status(fixture.agent->status(), fixture.clock.wall()));
}

TEST_CASE("a status socket that is taken is an error") {
  HostFixture fixture;
  fixture.options.status_socket = fixture.folder / "host.sock";
  const Status status = fixture.start();
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kExists);
  CHECK_THAT(status.error().text(), Catch::StartsWith("status socket: "));
}

TEST_CASE("a status socket may be left out") {
  HostFixture fixture;
  fixture.options.status_socket = "";
  REQUIRE(fixture.start());
  CHECK_FALSE(std::filesystem::exists(fixture.folder / "run"));
}

TEST_CASE("a mode that needs an agent without one is an error") {
  HostFixture fixture;
  fixture.config.ssh_mode = SshMode::kAgentForward;
  const Status status = fixture.start();
  REQUIRE_FALSE(status);
  CHECK_THAT(status.error().text(), Catch::StartsWith("ssh: "));
}

TEST_CASE("a start with nothing to say is silent about policy and log") {
  HostFixture fixture;
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("policy is") == 0);
  CHECK(fixture.log.count("audit log") == 0);
}

TEST_CASE("a policy that was left out is said at the start, with the line to add") {
  HostFixture fixture;
  fixture.config.ssh_approval = Approval{};
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("warning: " + omitted_policy_reason(Namespace::kSsh)) == 1);
}

TEST_CASE("where nothing can be signed, that is said at the start") {
  HostFixture fixture;
  REQUIRE(fixture.start());
  CHECK(
      fixture.log.count("warning: no SSH agent answers (SSH_AUTH_SOCK is not set) and there are no keys in " +
                        fixture.options.key_directory + ": nothing can be signed") == 1);
}

TEST_CASE("where key files were asked for, nothing is said about an agent") {
  HostFixture fixture;
  fixture.config.ssh_mode = SshMode::kLocalKeys;
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("nothing can be signed") == 0);
}

TEST_CASE("a log that is switched off is said at the start") {
  HostFixture fixture;
  fixture.config.logging_enabled = false;
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("warning: the audit log is off: logging.enabled is false") == 1);
}

TEST_CASE("a log that cannot be written is said at the start, and refuses every request") {
  HostFixture fixture;
  write_to_file(fixture.folder / "file", "");
  fixture.config.logging_path = fixture.folder / "file/audit.log";
  REQUIRE(fixture.start());
  CHECK(fixture.log.count("every request is refused until it can be written") == 1);
  CHECK(member(fixture.ask(R"({"operation":"list"})"), "reason_code") == "AUDIT_UNAVAILABLE");
}

TEST_CASE("the configuration's server may have a token in a file") {
  const net::TemporaryFolder folder;
  HostConfig config;
  config.server_url = "http://localhost:8080";
  write_to_file(folder / "token", "secret\r\nrest");
  config.token_file = folder / "token";
  const auto servers = servers_of(config);
  REQUIRE(servers);
  REQUIRE(servers->size() == 1);
  CHECK(servers->front().name.empty());
  CHECK(servers->front().url.address.port == 8080);
  CHECK(servers->front().token == "secret");
  config.token_file = folder / "none";
  CHECK_THAT(servers_of(config).error().text(), Catch::StartsWith("token_file: " + (folder / "none")));
  config.server_url = "nonsense";
  CHECK_THAT(servers_of(config).error().text(), Catch::StartsWith("server: nonsense: "));
}

TEST_CASE("discovery serves the selected servers of the shed command, and says which it leaves out") {
  const net::TemporaryFolder folder;
  const LogLines log;
  const std::string pin(64, 'a');
  write_to_file(folder / "config.yaml",
                "servers:\n"
                "  mini2: { host: localhost, http_port: 9001, credentials_token: secret }\n"
                "  mini3: { host: localhost, http_port: 9002 }\n"
                "  mini4: { host: localhost, tls_cert_fingerprint: 'sha256:" +
                    pin + "' }\n" +
                    "  safe: { api_url: 'https://localhost:8443', tls_cert_fingerprint: 'sha256:" + pin +
                    "' }\n");
  HostConfig config;
  config.discovery.emplace();
  config.discovery->source = folder / "config.yaml";
  config.discovery->servers = ServerSelector({"mini2", "mini4", "safe"});
  const auto servers = servers_of(config);
  REQUIRE(servers);
  REQUIRE(servers->size() == 2);
  CHECK(servers->front().name == "mini2");
  CHECK(servers->front().tls == nullptr);
  CHECK(servers->front().url.address.port == 9001);
  CHECK(servers->front().token == "secret");
  CHECK(servers->back().url.origin() == "https://localhost:8443");
  REQUIRE(servers->back().tls != nullptr);
  CHECK(servers->back().tls->options().pin == "sha256:" + pin);
  CHECK(log.count("server mini4: tls_cert_fingerprint: the pin would check nothing") == 1);
}

TEST_CASE("an https server gets its pin, or else the system's roots") {
  HostConfig config;
  config.server_url = "https://localhost:8443";
  const auto unpinned = servers_of(config);
  REQUIRE(unpinned);
  REQUIRE(unpinned->front().tls != nullptr);
  CHECK(unpinned->front().tls->options().pin.empty());
  config.tls_cert_fingerprint = "sha256:" + std::string(64, 'a');
  const auto pinned = servers_of(config);
  REQUIRE(pinned);
  CHECK(pinned->front().tls->options().pin == config.tls_cert_fingerprint);
}

TEST_CASE("a pin is never passed over, whoever made the configuration") {
  HostConfig config;
  config.tls_cert_fingerprint = "sha256:" + std::string(64, 'a');
  config.server_url = GENERATE(as<std::string>(), "http://localhost:8080", "unix:///run/bus.sock");
  CHECK_THAT(servers_of(config).error().text(), Catch::StartsWith("server: tls_cert_fingerprint: "));
  config.server_url = "https://localhost";
  config.tls_cert_fingerprint = "sha256:aa";
  CHECK_THAT(servers_of(config).error().text(), Catch::StartsWith("server: tls_cert_fingerprint: a pin is "));
}

}  // namespace
}  // namespace shed::broker
