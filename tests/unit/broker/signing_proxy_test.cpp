#include "shed/broker/signing_proxy.h"

#include "shed/ssh/public_key_line.h"
#include "shed/ssh/sshsig.h"
#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;
using namespace std::string_literals;

struct Fixture {
  explicit Fixture(std::string lines = {}, SshAccess access = {}, bool asks = false)
      : audit(folder / "log/audit.log"),
        policy(loop, gate, audit, std::move(access)),
        keys(SigningKeys::open(lines, "")),
        proxy(loop, agent, keys.value(), nullptr, asks ? &policy : nullptr, {{"git", "file"}, {}, false}),
        server(loop, proxy, SigningProxy::server_options()) {
    agent.identities = std::vector<ssh::Identity>{{ed25519(), "the key"}};
    audit.set_observer([this](const AuditRecord& record) { records.push_back(record); });
    auto opened = net::Listener::open(loop, net::unix_at(path));
    REQUIRE(opened);
    listener.emplace(std::move(*opened));
    tasks.spawn(server.serve(listener->acceptor()));
    loop.poll();
  }
  ~Fixture() { tasks.cancel(); }

  net::Peer connect() { return {loop, path}; }
  std::string ask(std::string_view request) { return connect().ask(request); }
  std::string sign(std::string_view message = "message", std::string_view query = {}) {
    return ask(post(message, query));
  }
  static std::string post(std::string_view message, std::string_view query = {}) {
    return fmt::format("POST /sign{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", query,
                       message.size(), message);
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  FakeBackend agent{loop};
  FakeGate gate{loop};
  AuditLog audit;
  std::vector<AuditRecord> records;
  SigningPolicy policy;
  Result<SigningKeys> keys;
  SigningProxy proxy;
  net::HttpServer server;
  std::string path = folder / "proxy.sock";
  std::optional<net::Listener> listener;
  async::Scope tasks{loop};
};

std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

async::Task<bool> ended(async::Task<> task) {
  co_await std::move(task);
  co_return true;
}

bool has_status(const std::string& answer, int status) {
  return answer.starts_with(fmt::format("HTTP/1.1 {} ", status));
}

ssh::Sshsig sshsig_of(const std::string& answer) {
  INFO(answer);
  REQUIRE(has_status(answer, 200));
  const auto read = ssh::read_sshsig(body_of(answer));
  REQUIRE(read);
  return *read;
}

TEST_CASE("the agent is asked for the signature of the message's hash, and its answer is in the SSHSIG") {
  Fixture it;
  const ssh::Sshsig sshsig = sshsig_of(it.sign());
  CHECK(sshsig.key_blob == ed25519());
  CHECK(sshsig.name_space == "git");
  CHECK(sshsig.hash == ssh::SshsigHash::kSha512);
  CHECK(sshsig.signature == ssh::encode_signature(ed25519_signature()));
  REQUIRE(it.agent.signs.size() == 1);
  CHECK(it.agent.signs[0].key_blob == ed25519());
  CHECK(it.agent.signs[0].flags == ssh::SSH_AGENT_RSA_SHA2_512);
  const auto digest = ssh::message_digest(ssh::SshsigHash::kSha512, "message");
  CHECK(it.agent.signs[0].data == ssh::sshsig_signed_data("git", ssh::SshsigHash::kSha512, *digest));
}

TEST_CASE("a message of many parts is hashed as a whole") {
  Fixture it;
  const std::string message(3 * 1024 * 1024 / 2 + 1, 'x');
  net::Peer peer = it.connect();
  sshsig_of(peer.ask(Fixture::post(message)));
  const auto digest = ssh::message_digest(ssh::SshsigHash::kSha512, message);
  CHECK(it.agent.signs[0].data == ssh::sshsig_signed_data("git", ssh::SshsigHash::kSha512, *digest));
}

// 16 MiB are announced; none of it is there yet.
std::string head_for(std::string_view host) {
  return fmt::format("POST /sign HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                     host, kMaxSigningBody);
}

TEST_CASE("who is refused anyway is refused before the body is read") {
  Fixture it;
  net::Peer peer = it.connect();
  const std::string answer = peer.ask(head_for("evil.example"));
  INFO(answer);
  CHECK(has_status(answer, 403));
  CHECK(answer.contains("connection: close\r\n"));
}

TEST_CASE("who may sign is asked for the body") {
  Fixture it;
  net::Peer peer = it.connect();
  CHECK(peer.ask(head_for("localhost")) == "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_CASE("a refused request that is there as a whole does not end its connection") {
  Fixture it;
  net::Peer peer = it.connect();
  const std::string refused = "POST /sign HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1\r\n\r\nx";
  CHECK(has_status(peer.ask(refused), 403));
  sshsig_of(peer.ask(Fixture::post("message")));
}

TEST_CASE("flags and counter of a security key stay behind its signature") {
  Fixture it;
  it.agent.identities = std::vector<ssh::Identity>{{security_key(), ""}};
  it.agent.signature = ssh::Signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), "\x01\0\0\0\x07"s};
  CHECK(sshsig_of(it.sign()).signature == ssh::encode_signature(*it.agent.signature));
}

TEST_CASE("a signature without the flags of its security key is not given away") {
  Fixture it;
  it.agent.identities = std::vector<ssh::Identity>{{security_key(), ""}};
  it.agent.signature = ssh::Signature{"sk-ssh-ed25519@openssh.com", std::string(64, 's'), ""};
  CHECK(body_of(it.sign()) == "sign failed\n");
}

TEST_CASE("with one key configured the agent is not asked for its list") {
  Fixture it(ssh::public_key_text(ed25519()));
  sshsig_of(it.sign());
  CHECK(it.agent.lists.empty());
}

TEST_CASE("nothing is remembered: each request asks the agent anew") {
  Fixture it;
  sshsig_of(it.sign());
  it.agent.identities = std::vector<ssh::Identity>{{key_blob("ssh-ed25519", 'o'), "another"}};
  CHECK(sshsig_of(it.sign()).key_blob == key_blob("ssh-ed25519", 'o'));
  CHECK(it.agent.lists.size() == 2);
}

TEST_CASE("what the agent says becomes the existing program's status and text") {
  Fixture it(ssh::public_key_text(ed25519()));
  struct Case {
    Errc code;
    int status;
    std::string_view text;
  };
  const auto each = GENERATE(
      Case{Errc::kUnavailable, 503, "signer unavailable\n"},
      Case{Errc::kNotFound, 503, "signer unavailable\n"},
      Case{Errc::kPermission, 503, "signer unavailable\n"}, Case{Errc::kRefused, 500, "sign failed\n"},
      Case{Errc::kTimeout, 500, "sign failed\n"}, Case{Errc::kProtocol, 500, "sign failed\n"});
  it.agent.signature = std::unexpected(Error(each.code, "why"));
  const std::string answer = it.sign();
  CHECK(has_status(answer, each.status));
  CHECK(body_of(answer) == each.text);
}

TEST_CASE("a failure says nothing of its cause to the client, and everything to the log") {
  Fixture it;
  it.agent.signature = fail(Errc::kRefused, "SSH agent: it refused to sign");
  CHECK(body_of(it.sign()) == "sign failed\n");
  CHECK(it.log.count("outcome=SSH agent: it refused to sign") == 1);
}

TEST_CASE("the agent has a minute for each of its answers") {
  const ssh::AgentOptions options = SigningProxy::agent_options("/run/agent.sock");
  CHECK(options.socket_path == "/run/agent.sock");
  CHECK(options.sign_limit == 60s);
  CHECK(options.list_limit == 60s);
  CHECK(options.touch_limit == 60s);
}

TEST_CASE("an agent that hangs is given up after a minute, and not before") {
  FakeClock clock;
  async::Loop loop(clock);
  net::TemporaryFolder folder;
  auto silent = net::Listener::open(loop, net::unix_at(folder / "agent.sock"));
  REQUIRE(silent);
  ssh::AgentBackend agent(loop, SigningProxy::agent_options(folder / "agent.sock"));
  net::Running<Result<ssh::Signature>> signing(loop, agent.sign({ed25519(), "data", 4, {}}));
  net::Running<Result<std::vector<ssh::Identity>>> listing(loop, agent.list({}));
  clock.advance(59s);
  loop.poll();
  CHECK_FALSE(signing.done());
  CHECK_FALSE(listing.done());
  clock.advance(1s);
  loop.poll();
  REQUIRE(signing.done());
  CHECK((*signing).error().code() == Errc::kTimeout);
  REQUIRE(listing.done());
  CHECK((*listing).error().code() == Errc::kTimeout);
}

TEST_CASE("a request that waits for the agent keeps nobody waiting") {
  Fixture it;
  it.agent.gate.reset();
  net::Peer stuck = it.connect();
  stuck.send(Fixture::post("message"));
  it.loop.poll();
  CHECK(has_status(it.ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200));
  it.agent.gate.set();
  it.loop.poll();
  CHECK(has_status(stuck.received(), 200));
}

TEST_CASE("the farewell waits for a request under way, and for three seconds at most") {
  Fixture it(ssh::public_key_text(ed25519()));
  it.agent.gate.reset();
  net::Peer stuck = it.connect();
  stuck.send(Fixture::post("message"));
  it.loop.poll();
  SECTION("it ends") {
    net::Running<bool> farewell(it.loop, ended(it.proxy.farewell()));
    CHECK_FALSE(farewell.done());
    it.agent.gate.set();
    it.loop.poll();
    CHECK(farewell.done());
    CHECK(has_status(stuck.received(), 200));
  }
  SECTION("it does not") {
    net::Running<bool> farewell(it.loop, ended(it.proxy.farewell()));
    it.pass(2999ms);
    CHECK_FALSE(farewell.done());
    it.pass(1ms);
    CHECK(farewell.done());
  }
}

TEST_CASE("a client that leaves is asked about no more") {
  Fixture it({}, {}, true);
  it.gate.gate.reset();
  {
    net::Peer leaving = it.connect();
    leaving.send(Fixture::post("message"));
    it.loop.poll();
    REQUIRE(it.gate.questions.size() == 1);
  }
  it.loop.poll();
  it.gate.gate.set();
  it.loop.poll();
  CHECK(it.agent.signs.empty());
  CHECK(it.log.count("the client has left") == 1);
  REQUIRE(it.records.size() == 1);
  CHECK(it.records[0].result == "error");
  CHECK(it.records[0].code == "CLIENT_LEFT");
  CHECK(it.records[0].subject == "git commit");
}

TEST_CASE("whoever decides is told of the container, the key and what is signed") {
  Fixture it({}, {}, true);
  sshsig_of(it.sign());
  REQUIRE(it.gate.questions.size() == 1);
  const ApprovalQuestion& question = it.gate.questions[0];
  CHECK(question.shed == "container");
  CHECK(question.op == "sign");
  CHECK(question.key == ssh::fingerprint(ed25519()));
  CHECK(question.key_comment == "the key");
  CHECK(question.subject == "git commit");
  CHECK(question.request_id.size() == 36);
}

TEST_CASE("a denial is told in one line, whatever its reason has in it") {
  Fixture it({}, {}, true);
  it.gate.decision.approved = false;
  it.gate.decision.reason = "no\r\nX-Evil: 1";
  const std::string answer = it.sign();
  CHECK(has_status(answer, 403));
  const std::string body = body_of(answer);
  CHECK(std::ranges::count(body, '\n') == 1);
  CHECK(body.starts_with("denied: no"));
  CHECK(it.agent.signs.empty());
}

TEST_CASE("the public key is that which would sign") {
  Fixture it;
  const std::string answer = it.ask("GET /publickey HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(body_of(answer) == ssh::public_key_text(ed25519()) + "\n");
  CHECK_THAT(answer, Catch::Contains("cache-control: no-cache\r\n"));
  CHECK_THAT(answer, Catch::Contains("content-type: text/plain; charset=utf-8\r\n"));
}

TEST_CASE("a container that asks too often is told when one more is let in") {
  Fixture it({}, {}, true);
  const std::string request = "GET /publickey HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (unsigned i = 0; i < Limits().ssh->burst; ++i) REQUIRE(has_status(it.ask(request), 200));
  const std::string wait =
      fmt::format("retry-after: {}\r\n", (59 + Limits().ssh->per_minute) / Limits().ssh->per_minute);
  for (const std::string& answer : {it.ask(request), it.sign()}) {
    CHECK(has_status(answer, 429));
    CHECK_THAT(answer, Catch::Contains(wait));
    CHECK_THAT(body_of(answer), Catch::StartsWith("denied: too many requests of this container, again in "));
  }
  CHECK(it.agent.signs.empty());
  it.pass(Millis(60'000) / Limits().ssh->per_minute + Millis(1));
  CHECK(has_status(it.ask(request), 200));
  CHECK(has_status(it.ask(request), 429));
}

TEST_CASE("the limits of the server are the documented ones") {
  const net::HttpServerOptions options = SigningProxy::server_options();
  CHECK(options.max_connections == 64);
  CHECK(options.max_body == 16'777'216);
  CHECK(options.header_limit == 3s);
  CHECK(options.request_limit == 10s);
  CHECK(options.idle_limit == 10s);
}

}  // namespace
}  // namespace shed::broker
