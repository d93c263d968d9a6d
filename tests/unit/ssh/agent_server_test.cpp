#include "shed/ssh/agent_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "agent_fixture.h"
#include "support/fake_clock.h"

#if defined(__GLIBC__) && !defined(SHED_SANITIZED)
#include <malloc.h>
#endif

namespace shed::ssh::test {
namespace {

using namespace std::string_literals;

// One served connection, on a loop whose time stands still.
struct Served {
  FakeClock clock;
  LogLines log;
  async::Loop loop{clock};
  log::Limiter limiter{clock};
  FakeService service{loop};
  UniqueFd server_end;
  RawClient client{server_end};
  AgentServerOptions options;
  async::Scope scope{loop};

  void start() {
    scope.spawn(
        serve_agent_connection(loop, async::Stream(loop, std::move(server_end)), service, limiter, options));
    loop.poll();
  }
  std::string ask(std::string_view bytes) {
    client.send(bytes);
    loop.poll();
    return client.received();
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  bool ended() { return scope.size() == 0 && client.sees_end(); }
};

const std::string kList = encode_request_identities();
const std::string kNoKeys = encode_identities({}).value();

TEST_CASE("a connection answers one request after another") {
  Served it;
  it.start();
  CHECK(it.ask(kList) == kNoKeys);
  CHECK(it.ask(frame_of("\x13")) == encode_failure());
  CHECK(it.ask(kList) == kNoKeys);
}

TEST_CASE("a request in single bytes is answered") {
  Served it;
  it.start();
  const std::string request = encode_sign_request({ed25519_blob(), "data", 0, {}}).value();
  std::string answer;
  for (const char byte : request) {
    CHECK(answer.empty());
    answer = it.ask({&byte, 1});
  }
  CHECK(answer == encode_sign_response(*it.service.signature));
}

TEST_CASE("requests sent without waiting are answered in order") {
  Served it;
  it.start();
  CHECK(it.ask(kList + frame_of("\x13") + kList.substr(0, 2)) == kNoKeys + encode_failure());
  CHECK(it.ask(kList.substr(2)) == kNoKeys);
}

TEST_CASE("the longest request is answered and the one behind it as well") {
  Served it;
  it.start();
  std::string message(kMaxAgentMessage, 'x');
  message[0] = SSH_AGENTC_ADD_IDENTITY;
  const std::string bytes = frame_of(message) + kList;
  std::string answers;
  for (std::size_t offset = 0; offset < bytes.size(); offset += 10'000) {
    answers += it.ask(std::string_view(bytes).substr(offset, 10'000));
  }
  CHECK(answers == encode_failure() + kNoKeys);
}

TEST_CASE("a frame of length 0 ends the connection with one line") {
  Served it;
  it.start();
  CHECK(it.ask("\0\0\0\0"s) == "");
  CHECK(it.ended());
  CHECK(it.log.count("agent message of length 0") == 1);
}

TEST_CASE("a frame over 256 KiB ends the connection before its contents are waited for") {
  Served it;
  it.start();
  CHECK(it.ask("\0\4\0\1"s) == "");
  CHECK(it.ended());
  CHECK(it.log.count("agent message of 262145 bytes is over 262144") == 1);
}

TEST_CASE("a second bad frame within a minute is not logged again") {
  Served first;
  first.start();
  first.ask("\0\0\0\0"s);
  UniqueFd other_end;
  RawClient other(other_end);
  first.scope.spawn(serve_agent_connection(first.loop, async::Stream(first.loop, std::move(other_end)),
                                           first.service, first.limiter, {}));
  other.send("\0\0\0\0"s);
  first.loop.poll();
  CHECK(other.sees_end());
  CHECK(first.log.count("length 0") == 1);
}

TEST_CASE("half a frame and then silence ends the connection after ten seconds") {
  Served it;
  it.start();
  const auto part = GENERATE(as<std::string>{}, "\0\0"s, "\0\0\0\5\x0b"s, "\0\3\0\0\x11 half a key"s);
  it.ask(part);
  it.pass(Millis(9'999));
  CHECK_FALSE(it.client.sees_end());
  it.pass(Millis(1));
  CHECK(it.ended());
  CHECK(it.log.count("a message was not complete within 10s") == 1);
}

TEST_CASE("a slow drip does not extend the time for a message") {
  Served it;
  it.start();
  it.ask("\0\0\1\0"s);
  for (int i = 0; i < 10; ++i) {
    it.ask("x");
    it.pass(Millis(1'000));
  }
  CHECK(it.ended());
}

TEST_CASE("between messages a connection stays open for as long as it likes") {
  Served it;
  it.start();
  it.pass(std::chrono::hours(24));
  CHECK(it.ask(kList) == kNoKeys);
  it.pass(std::chrono::hours(24));
  CHECK(it.ask(kList) == kNoKeys);
  CHECK(it.log.lines.empty());
}

TEST_CASE("a client that leaves between messages leaves nothing behind and no line") {
  Served it;
  it.start();
  it.ask(kList);
  it.client.close();
  it.loop.poll();
  CHECK(it.scope.size() == 0);
  CHECK(it.log.lines.empty());
}

TEST_CASE("a client that leaves in the middle of a message ends the connection with a line") {
  Served it;
  it.start();
  it.ask(kList.substr(0, 3));
  it.client.close();
  it.loop.poll();
  CHECK(it.scope.size() == 0);
  CHECK(it.log.count("a message ended in the middle") == 1);
}

TEST_CASE("a client that only stops sending still gets its answer") {
  Served it;
  it.service.open_gate.reset();
  it.start();
  it.client.send(kList);
  it.client.stop_sending();
  it.loop.poll();
  CHECK(it.service.under_way == 1);
  it.service.open_gate.set();
  it.loop.poll();
  CHECK(it.client.received() == kNoKeys);
  CHECK(it.ended());
}

#ifdef __linux__
TEST_CASE("the work for a client that disappears is dropped") {
  Served it;
  it.service.open_gate.reset();
  it.start();
  it.ask(encode_sign_request({ed25519_blob(), "data", 0, {}}).value());
  CHECK(it.service.under_way == 1);
  it.client.close();
  it.loop.poll();
  CHECK(it.service.under_way == 0);
  CHECK(it.scope.size() == 0);
  CHECK(it.log.lines.empty());
}
#endif

TEST_CASE("a client that disappears behind a second request is noticed at the answer") {
  Served it;
  it.service.open_gate.reset();
  it.start();
  it.ask(kList);
  it.ask(kList);
  it.client.close();
  it.loop.poll();
  it.service.open_gate.set();
  it.loop.poll();
  CHECK(it.service.under_way == 0);
  CHECK(it.scope.size() == 0);
}

TEST_CASE("a client that never reads is let go after ten seconds") {
  Served it;
  it.service.identities = std::vector<Identity>(10, {ed25519_blob(), std::string(20'000, 'c')});
  const int smallest = 1;
  it.start();
  REQUIRE(::setsockopt(it.client.fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest) == 0);
  for (int i = 0; i < 50; ++i) it.client.send(kList);
  it.loop.poll();
  CHECK(it.scope.size() == 1);
  it.pass(Millis(9'999));
  CHECK(it.scope.size() == 1);
  it.pass(Millis(1));
  CHECK(it.scope.size() == 0);
  CHECK(it.service.under_way == 0);
  CHECK(it.log.count("its answer was not taken within 10s") == 1);
}

TEST_CASE("a connection that is dropped in the middle of a request leaves nothing behind") {
  Served it;
  it.service.open_gate.reset();
  it.start();
  it.ask(kList);
  it.scope.cancel();
  CHECK(it.service.under_way == 0);
  it.loop.poll();
  CHECK(it.client.sees_end());
}

// Makes a socket pair as another user would. Where that is not possible, the server expects one.
TEST_CASE("another user's process is refused with a line") {
  Served it;
  if (::geteuid() == 0) {
    constexpr uid_t kNobody = 65534;
    REQUIRE(::seteuid(kNobody) == 0);
    it.client = RawClient(it.server_end);
    REQUIRE(::seteuid(0) == 0);
    it.options.user = 12345;
  } else {
    it.options.user = ::geteuid() + 1;
  }
  it.start();
  CHECK(it.ended());
  CHECK(it.service.lists.empty());
  CHECK(it.log.count("may not use the agent of user") == 1);
}

// A server on a socket file, its clients on the same loop.
struct Listening {
  FakeClock clock;
  LogLines log;
  TemporaryFolder folder;
  async::Loop loop{clock};
  FakeService service{loop};
  net::Listener listener;
  AgentServer server;
  async::Scope scope{loop};

  explicit Listening(AgentServerOptions options)
      : listener(net::Listener::open(loop, address()).value()), server(loop, service, options) {
    scope.spawn(server.serve(listener.acceptor()));
    loop.poll();
  }
  net::Address address() {
    net::Address result;
    result.unix_path = folder / "agent.sock";
    return result;
  }
  RawClient connect() { return RawClient(folder / "agent.sock"); }
};

TEST_CASE("a connection over the bound waits until another ends") {
  AgentServerOptions options;
  options.max_connections = 2;
  Listening it(options);
  RawClient first = it.connect();
  RawClient second = it.connect();
  RawClient third = it.connect();
  third.send(kList);
  it.loop.poll();
  CHECK(it.server.connections() == 2);
  CHECK(third.received() == "");
  first.close();
  it.loop.poll();
  CHECK(third.received() == kNoKeys);
  CHECK(it.server.connections() == 2);
}

TEST_CASE("requests of one connection do not wait for those of another") {
  Listening it({});
  it.service.open_gate.reset();
  RawClient slow = it.connect();
  slow.send(kList);
  it.loop.poll();
  RawClient quick = it.connect();
  quick.send(frame_of("\x13"));
  it.loop.poll();
  CHECK(it.service.under_way == 1);
  CHECK(quick.received() == encode_failure());
}

TEST_CASE("thousands of clients that connect and drop leave descriptors where they were") {
  Listening it({});
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 2'000; ++i) {
    RawClient client = it.connect();
    if (i % 3 == 1) client.send(kList.substr(0, 3));
    if (i % 3 == 2) client.send(kList);
    if (i % 50 == 0) it.loop.poll();
  }
  it.loop.poll();
  CHECK(it.server.connections() == 0);
  CHECK(it.service.under_way == 0);
  CHECK(open_descriptors() == before);
}

#if defined(__GLIBC__) && !defined(SHED_SANITIZED)
TEST_CASE("an idle connection holds less than 4 KiB of heap") {
  constexpr std::size_t kClients = 200;
  Listening it({});
  std::vector<RawClient> clients;
  clients.reserve(kClients);
  const std::size_t before = ::mallinfo2().uordblks;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(it.connect());
    // Each has asked, for little and for much, and has had its answer.
    clients.back().send(kList + frame_of("\x11" + std::string(20'000, 'x')));
    it.loop.poll();
    CHECK(clients.back().received() == kNoKeys + encode_failure());
  }
  const std::size_t held = ::mallinfo2().uordblks - before;
  INFO(held / kClients);
  CHECK(held / kClients < 4096);
}
#endif

}  // namespace
}  // namespace shed::ssh::test
