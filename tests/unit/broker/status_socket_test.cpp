#include "shed/broker/status_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "ssh_fixture.h"
#include "support/environment_variable.h"

namespace shed::broker {
namespace {

using namespace testing;

StatusDocument some_document() {
  StatusDocument document;
  document.started_at = FakeClock().wall();
  document.config_path = "/home/me/extensions.yaml";
  document.policies = {{"ssh-agent", "approve-all"}, {"aws-credentials", "deny-all"}};
  document.servers = {{"mini2",
                       "http://localhost:8080",
                       {{"ssh-agent", "reconnecting", "the event stream ended", document.started_at + 5s}}}};
  return document;
}

class Fixture {
 public:
  explicit Fixture(std::string_view name = "run/status.sock") : path(folder / name) {
    auto opened = StatusSocket::open(loop, path, [this] { return ++asked, document; });
    REQUIRE(opened);
    socket = std::move(*opened);
    tasks.spawn(socket->run());
    loop.poll();
  }
  ~Fixture() { tasks.cancel(); }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::string path;
  StatusDocument document = some_document();
  int asked = 0;
  std::unique_ptr<StatusSocket> socket;
  async::Scope tasks{loop};
};

mode_t mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("the document has the fields of the protocol in their order") {
  StatusDocument document = some_document();
  document.gate_namespaces = {"ssh-agent", "docker-credentials"};
  CHECK(
      encode_status(document, document.started_at + 60s) ==
      fmt::format(
          R"({{"schema":1,"version":"{}","pid":{},"started_at":"2026-03-31T15:04:05Z",)"
          R"("written_at":"2026-03-31T15:05:05Z","config_path":"/home/me/extensions.yaml",)"
          R"("policies":{{"ssh-agent":"approve-all","aws-credentials":"deny-all"}},)"
          R"("gate_namespaces":["ssh-agent","docker-credentials"],)"
          R"("approval_channel":{{"socket_path":"","consumer_connected":false,"client_name":"","client_version":"","grants":0}},)"
          R"("servers":[{{"name":"mini2","url":"http://localhost:8080","namespaces":[{{"namespace":"ssh-agent",)"
          R"("state":"reconnecting","last_error":"the event stream ended","since":"2026-03-31T15:04:10Z"}}]}}]}})"
          "\n",
          SHED_VERSION, ::getpid()));
}

TEST_CASE("the document names who approves, and how much is granted") {
  StatusDocument document = some_document();
  document.approval = {"/run/host-agent.sock", true, "desk", "2.1", 3};
  const std::string channel =
      R"("approval_channel":{"socket_path":"/run/host-agent.sock","consumer_connected":true,)"
      R"("client_name":"desk","client_version":"2.1","grants":3})";
  CHECK_THAT(encode_status(document, {}), Catch::Contains(channel));
}

TEST_CASE("the document lists what is granted, and nothing where nothing is") {
  StatusDocument document = some_document();
  CHECK(encode_status(document, {}).find("granted") == std::string::npos);
  Grant grant;
  grant.id = "g1";
  grant.asked = {Namespace::kSsh, "sign", "", "web", "SHA256:abc", "login git@github.com", "verified"};
  grant.ttl = 30min;
  grant.decided_by = "desk";
  grant.granted_at = document.started_at;
  grant.ends_at = document.started_at + 30min;
  grant.uses = 2;
  document.granted = {grant};
  CHECK_THAT(encode_status(document, {}),
             Catch::Contains(R"("granted":[{"id":"g1","namespace":"ssh-agent","op":"sign","shed":"web",)"
                             R"("key":"SHA256:abc","subject":"login git@github.com","proof":"verified",)"
                             R"("scope":"per-session","ttl":"30m","decided_by":"desk",)"
                             R"("granted_at":"2026-03-31T15:04:05Z","expires_at":"2026-03-31T15:34:05Z",)"
                             R"("uses":2}],)"));
}

TEST_CASE("the document says of which namespaces nobody can be asked, and why") {
  StatusDocument document = some_document();
  CHECK(encode_status(document, {}).find("nobody_to_ask") == std::string::npos);
  document.nobody_to_ask = {{"ssh-agent", "no pinentry"}};
  CHECK_THAT(encode_status(document, {}), Catch::Contains(R"("nobody_to_ask":{"ssh-agent":"no pinentry"},)"));
}

TEST_CASE("without namespaces that ask there is no such list") {
  CHECK(encode_status(some_document(), {}).find("gate_namespaces") == std::string::npos);
}

TEST_CASE("whoever connects gets the document, then the end") {
  Fixture fixture;
  net::Peer peer(fixture.loop, fixture.path);
  CHECK(peer.received() == encode_status(fixture.document, fixture.clock.wall()));
  CHECK(peer.ended());
  CHECK(fixture.asked == 1);
}

TEST_CASE("each document says how it is now") {
  Fixture fixture;
  net::Peer(fixture.loop, fixture.path).close();
  fixture.document.servers[0].listeners[0].state = "connected";
  fixture.clock.advance(60s);
  net::Peer peer(fixture.loop, fixture.path);
  const std::string text = peer.received();
  CHECK(member(text, "written_at") == "2026-03-31T15:05:05Z");
  CHECK(text.find(R"("state":"connected")") != std::string::npos);
  CHECK(fixture.asked == 2);
}

TEST_CASE("socket and directory are for their owner") {
  const Fixture fixture;
  CHECK(mode_of(fixture.path) == 0600);
  CHECK(mode_of(fixture.folder / "run") == 0700);
}

TEST_CASE("the socket goes with the host agent") {
  Fixture fixture;
  fixture.tasks.cancel();
  fixture.socket.reset();
  CHECK_FALSE(std::filesystem::exists(fixture.path));
}

TEST_CASE("a live socket is not replaced, a stale one is") {
  Fixture fixture;
  const auto second = StatusSocket::open(fixture.loop, fixture.path, [] { return StatusDocument{}; });
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Errc::kExists);
  {
    const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = net::native_address(fixture.folder / "run/stale.sock");
    REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  CHECK(StatusSocket::open(fixture.loop, fixture.folder / "run/stale.sock", [] { return StatusDocument{}; }));
}

TEST_CASE("clients that never read hold nobody for long") {
  Fixture fixture;
  // More than a socket holds, so that nobody is done without reading.
  fixture.document.config_path = std::string(4 * 1024 * 1024, 'x');
  std::vector<std::unique_ptr<net::Peer>> silent;
  for (int i = 0; i < 16; ++i) silent.push_back(std::make_unique<net::Peer>(fixture.loop, fixture.path));
  CHECK(fixture.asked == 16);
  net::Peer next(fixture.loop, fixture.path);
  CHECK(fixture.asked == 16);
  CHECK(next.received().empty());
  fixture.clock.advance(2s);
  fixture.loop.poll();
  CHECK(next.received() == encode_status(fixture.document, fixture.clock.wall()));
  CHECK(next.ended());
  CHECK(silent.front()->ended());
}

TEST_CASE("a client that leaves at once disturbs nobody") {
  Fixture fixture;
  for (int i = 0; i < 100; ++i) net::Peer(fixture.loop, fixture.path).reset();
  net::Peer peer(fixture.loop, fixture.path);
  CHECK_FALSE(peer.received().empty());
}

TEST_CASE("the document is read back as it was written") {
  Fixture fixture;
  net::Running<Result<std::string>> report(fixture.loop, read_status(fixture.loop, fixture.path));
  CHECK((*report).value() == encode_status(fixture.document, fixture.clock.wall()));
}

TEST_CASE("without a host agent the reader says so") {
  FakeClock clock;
  async::Loop loop(clock);
  const net::TemporaryFolder folder;
  net::Running<Result<std::string>> report(loop, read_status(loop, folder / "none.sock"));
  REQUIRE_FALSE(*report);
  CHECK((*report).error().code() == Errc::kUnavailable);
  CHECK_THAT((*report).error().text(),
             Catch::StartsWith("the host agent is not running (connect to ") && Catch::Contains("none.sock"));
}

// Something else on the socket.
class Impostor {
 public:
  Impostor() {
    auto opened = net::Listener::open(loop, net::unix_at(folder / "status.sock"));
    REQUIRE(opened);
    listener_.emplace(std::move(*opened));
  }
  Result<std::string> report_after(std::string_view text, bool ends, Millis passing = 0ms) {
    net::Running<Result<std::string>> report(loop, read_status(loop, folder / "status.sock"));
    net::Running<Result<UniqueFd>> accepted(loop, listener_->acceptor().accept());
    REQUIRE(*accepted);
    net::Peer peer(loop, std::move(**accepted));
    peer.send(text);
    if (ends) peer.reset();
    clock.advance(passing);
    REQUIRE(report.done());
    return *report;
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;

 private:
  std::optional<net::Listener> listener_;
};

TEST_CASE("a document of another schema, or none, is said") {
  Impostor impostor;
  for (const std::string_view text : {R"({"schema":2})", R"({"schema":"1"})", "{}", "[]"}) {
    const auto report = impostor.report_after(text, true);
    REQUIRE_FALSE(report);
    CHECK(report.error().code() == Errc::kProtocol);
    CHECK_THAT(report.error().text(), Catch::EndsWith("the host agent's status is of another version"));
  }
  for (const std::string_view text : {"", "{", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    const auto report = impostor.report_after(text, true);
    REQUIRE_FALSE(report);
    CHECK(report.error().code() == Errc::kProtocol);
    CHECK_THAT(report.error().text(), Catch::EndsWith("the host agent's status is not JSON"));
  }
}

TEST_CASE("a document that does not end is given up after two seconds") {
  Impostor impostor;
  const auto report = impostor.report_after(R"({"schema":1})", false, 2s);
  REQUIRE_FALSE(report);
  CHECK(report.error().code() == Errc::kTimeout);
}

TEST_CASE("a document without end is given up at a bound") {
  Impostor impostor;
  const auto report = impostor.report_after(std::string(2 * 1024 * 1024, ' '), false);
  REQUIRE_FALSE(report);
  CHECK(report.error().code() == Errc::kLimit);
}

TEST_CASE("the sockets are where the environment says, else where the platform has them") {
  const EnvironmentVariable home("HOME", "/home/me");
  const EnvironmentVariable named("SHED_HOST_AGENT_SOCKET_DIR", "/somewhere");
  CHECK(default_status_socket() == "/somewhere/host-agent-status.sock");
  const EnvironmentVariable unset("SHED_HOST_AGENT_SOCKET_DIR", std::nullopt);
#ifdef __APPLE__
  CHECK(host_agent_socket_directory() == "/home/me/Library/Application Support/shed");
#else
  const EnvironmentVariable runtime("XDG_RUNTIME_DIR", "/run/user/1000");
  CHECK(host_agent_socket_directory() == "/run/user/1000/shed");
  const EnvironmentVariable no_runtime("XDG_RUNTIME_DIR", std::nullopt);
  CHECK(host_agent_socket_directory() == "/home/me/.local/share/shed");
#endif
}

}  // namespace
}  // namespace shed::broker
