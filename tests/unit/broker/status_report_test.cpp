#include "shed/broker/status_report.h"

#include <unistd.h>

#include "host_fixture.h"
#include "shed/ssh/agent_server.h"

namespace shed::broker {
namespace {

using namespace testing;

StatusReport gather(HostFixture& fixture, std::string agent_socket = {}) {
  StatusQuery query{*net::parse_url("http+unix://" + fixture.folder / "guest.sock" + ":/v1/publish"),
                    fixture.options.status_socket, std::move(agent_socket)};
  net::Running<StatusReport> report(fixture.loop, gather_status(fixture.loop, std::move(query)));
  // Where nobody answers it tries a few times.
  for (int i = 0; i < 20 && !report.done(); ++i) fixture.clock.advance(1s);
  REQUIRE(report.done());
  REQUIRE((*report).lines.size() >= 3);
  return *report;
}

// An SSH agent with one key, on a socket.
class FakeAgentServer : public ssh::AgentService {
 public:
  FakeAgentServer(async::Loop& loop, const std::string& path) : server_(loop, *this), tasks_(loop) {
    auto listener = net::Listener::open(loop, net::unix_at(path));
    REQUIRE(listener);
    listener_.emplace(std::move(*listener));
    tasks_.spawn(server_.serve(listener_->acceptor()));
  }
  async::Task<Result<std::vector<ssh::Identity>>> list(const std::vector<ssh::SessionBind>&) override {
    std::vector<ssh::Identity> keys(1);
    keys[0].key_blob = ed25519();
    co_return keys;
  }
  async::Task<Result<ssh::Signature>> sign(ssh::SignRequest) override { co_return ed25519_signature(); }

 private:
  std::optional<net::Listener> listener_;
  ssh::AgentServer server_;
  async::Scope tasks_;
};

TEST_CASE("where everything works, all is well") {
  HostFixture fixture;
  REQUIRE(fixture.start());
  FakeAgentServer agent(fixture.loop, fixture.folder / "agent.sock");
  const StatusReport report = gather(fixture, fixture.folder / "agent.sock");
  CHECK(report.healthy());
  CHECK(report.lines[0].good);
  CHECK(report.lines[0].text == fmt::format("running, pid {}", ::getpid()));
  CHECK(report.lines[1].good);
  CHECK(report.lines[1].text == "unix:" + fixture.folder / "guest.sock" + ": the host agent answers");
  CHECK(report.lines[2].good);
  CHECK(report.lines[2].text == fixture.folder / "agent.sock" + ": 1 key");
}

TEST_CASE("in a guest without its host agent, that is what is wrong") {
  HostFixture fixture;
  const StatusReport report = gather(fixture);
  CHECK_FALSE(report.healthy());
  CHECK_FALSE(report.lines[0].present);
  CHECK_THAT(report.lines[0].text, Catch::StartsWith("the host agent is not running"));
  CHECK(report.lines[1].present);
  CHECK_FALSE(report.lines[1].good);
  CHECK_THAT(report.lines[1].text, Catch::Contains("NO_CONNECTION"));
  CHECK_FALSE(report.lines[2].present);
  CHECK(report.lines[2].text == "SSH_AUTH_SOCK is not set");
}

TEST_CASE("on a host without a guest bus, that is not missed") {
  HostFixture fixture;
  fixture.tasks.cancel();
  fixture.bus.reset();
  auto other = bus::LocalBus::open(fixture.loop, net::unix_at(fixture.folder / "other.sock"),
                                   net::unix_at(fixture.folder / "host.sock"), {});
  REQUIRE(other);
  fixture.tasks.spawn((*other)->serve());
  REQUIRE(fixture.start());
  const StatusReport report = gather(fixture);
  CHECK(report.healthy());
  CHECK_FALSE(report.lines[1].present);
  CHECK_FALSE(report.lines[1].good);
  fixture.tasks.cancel();
}

TEST_CASE("a host agent that is not on its bus is not well, and says why") {
  HostFixture fixture;
  fixture.options.servers[0].url = *net::parse_url("unix://" + fixture.folder / "none.sock");
  REQUIRE(fixture.start());
  const StatusReport report = gather(fixture);
  CHECK_FALSE(report.healthy());
  CHECK(report.lines[0].present);
  CHECK_FALSE(report.lines[0].good);
  CHECK_THAT(report.lines[0].text,
             Catch::Contains("; ssh-agent is reconnecting: connect to ") && Catch::Contains("none.sock"));
}

TEST_CASE("an SSH agent that is not there is not well") {
  HostFixture fixture;
  REQUIRE(fixture.start());
  const StatusReport report = gather(fixture, fixture.folder / "gone.sock");
  CHECK_FALSE(report.healthy());
  CHECK(report.lines[2].present);
  CHECK_FALSE(report.lines[2].good);
  CHECK_THAT(report.lines[2].text, Catch::Contains("gone.sock"));
}

StatusReport some_report() {
  StatusReport report;
  report.lines = {{"host agent", true, true, "running"},
                  {"guest bus", false, false, "away"},
                  {"SSH agent", true, false, "no \x1b[31mkeys\nhost agent  ok"}};
  return report;
}

TEST_CASE("a report is lines for a person, with nothing in them that moves the cursor") {
  CHECK(some_report().text() ==
        "host agent  ok      running\n"
        "guest bus   absent  away\n"
        "SSH agent   FAILED  no \\x1b[31mkeys\\nhost agent  ok\n");
}

TEST_CASE("a report is JSON for a program") {
  StatusReport report = some_report();
  report.lines.resize(2);
  CHECK(report.json() ==
        R"({"healthy":true,"parts":[{"name":"host agent","present":true,"good":true,"text":"running"},)"
        R"({"name":"guest bus","present":false,"good":false,"text":"away"}]})"
        "\n");
}

TEST_CASE("all is well where something is here and all that is here works") {
  StatusReport report = some_report();
  CHECK_FALSE(report.healthy());
  report.lines[2].good = true;
  CHECK(report.healthy());
  report.lines[0].present = report.lines[2].present = false;
  CHECK_FALSE(report.healthy());
  CHECK_FALSE(StatusReport{}.healthy());
}

constexpr std::string_view kDocument =
    R"({"schema":1,"version":"0.1.0","pid":7,"started_at":"2026-03-31T15:04:05Z","config_path":"",)"
    R"("policies":{"ssh-agent":"approve-all"},"servers":[{"name":"","url":"http://localhost:8080","namespaces":[)"
    R"({"namespace":"ssh-agent","state":"rejected","last_error":"no \u001b[2Jway\n","since":"2026-03-31T15:04:06Z"},)"
    R"({"namespace":"aws-credentials","state":"connected","last_error":"","since":"2026-03-31T15:04:07Z"}]}]})";

TEST_CASE("the host agent's document is told in lines, with nothing in them that moves the cursor") {
  CHECK(
      describe_status(kDocument) ==
      "shed-host-agent 0.1.0, pid 7, since 2026-03-31T15:04:05Z\n"
      "configuration: built in\n"
      "ssh-agent            approve-all\n"
      "ssh-agent            rejected to http://localhost:8080 since 2026-03-31T15:04:06Z: no \\x1b[2Jway\\n\n"
      "aws-credentials      connected to http://localhost:8080 since 2026-03-31T15:04:07Z\n");
}

TEST_CASE("the host agent's lines say why nobody can be asked") {
  CHECK_THAT(
      describe_status(R"({"policies":{"ssh-agent":"prompt"},"nobody_to_ask":{"ssh-agent":"no \u001b[2J"}})"),
      Catch::Contains("ssh-agent            prompt\nssh-agent            denied: no \\x1b[2J\n"));
}

std::string told_of_channel(std::string_view channel) {
  const std::string text = describe_status(fmt::format(
      R"({{"gate_namespaces":["ssh-agent"],"approval_channel":{{"socket_path":"/run/a.sock",{}}}}})",
      channel));
  const std::size_t line = text.find("approvals");
  REQUIRE(line != std::string::npos);
  return text.substr(line);
}

TEST_CASE("the host agent's lines say who approves, and what is granted") {
  CHECK(told_of_channel(R"("consumer_connected":false)") ==
        "approvals            no approver is connected; run shed-ext approve --socket /run/a.sock\n");
  CHECK(told_of_channel(R"("consumer_connected":true,"client_name":"de\u001bsk","client_version":"2")") ==
        "approvals            approver de\\x1bsk 2 is connected\n");
  CHECK(
      told_of_channel(R"("consumer_connected":true,"client_name":"desk","client_version":"2","grants":1)") ==
      "approvals            approver desk 2 is connected; 1 grant in force\n");
  CHECK(told_of_channel(R"("grants":2)") ==
        "approvals            no approver is connected; run shed-ext approve --socket /run/a.sock; "
        "2 grants in force\n");
}

TEST_CASE("where nothing is asked of an approver, none is missed") {
  CHECK(describe_status(R"({"approval_channel":{"socket_path":"/run/a.sock","grants":0}})").find("approv") ==
        std::string::npos);
}

TEST_CASE("the host agent's lines list what is granted") {
  const std::string text = describe_status(
      R"({"granted":[{"shed":"web","server":"mini2","key":"SHA256:abc","subject":"login git@github.com",)"
      R"("scope":"per-session","expires_at":"2026-03-31T15:34:05Z","decided_by":"de\u001bsk"},)"
      R"({"shed":"ci","key":"SHA256:def","scope":"per-shed","expires_at":"2026-03-31T16:00:00Z"}]})");
  CHECK_THAT(text, Catch::EndsWith("granted              web on mini2: login git@github.com with SHA256:abc "
                                   "(per-session until 2026-03-31T15:34:05Z, by de\\x1bsk)\n"
                                   "granted              ci: anything with SHA256:def "
                                   "(per-shed until 2026-03-31T16:00:00Z)\n"));
}

TEST_CASE("a host agent that has to ask says whether anybody is there") {
  HostFixture fixture;
  fixture.config.ssh_approval.policy = Policy::kShedDesktop;
  REQUIRE(fixture.start());
  const StatusReport report = gather(fixture);
  CHECK(report.lines[0].good);
  CHECK_THAT(report.lines[0].text, Catch::EndsWith("; no approver is connected; run shed-ext approve"));
}

TEST_CASE("a document that leaves things out is told with gaps") {
  CHECK(describe_status(R"({"config_path":"/x.yaml"})") ==
        "shed-host-agent ?, pid 0, since ?\nconfiguration: /x.yaml\n");
  CHECK(describe_status("not JSON").empty());
}

}  // namespace
}  // namespace shed::broker
