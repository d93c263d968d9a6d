// When a listener subscribes again, and what it says of its state meanwhile.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "listener_fixture.h"

namespace shed::bus {
namespace {

using Kind = ListenerState::Kind;

TEST_CASE("a listener that is on the bus says so") {
  ListenerFixture fixture;
  CHECK(fixture.state().kind == Kind::kReconnecting);
  CHECK(fixture.state().since == fixture.bus.server.clock.wall());
  CHECK_FALSE(fixture.client.connected().is_set());
  fixture.pass(5s);
  fixture.start();
  CHECK(fixture.state().kind == Kind::kConnected);
  CHECK(fixture.state().since == fixture.bus.server.clock.wall());
  CHECK(fixture.state().last_error.empty());
  CHECK(fixture.client.connected().is_set());
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("a stream that ends is opened again after a second") {
  ListenerFixture fixture;
  fixture.start();
  fixture.pass(5s);
  fixture.bus.end_stream();
  CHECK(fixture.state().kind == Kind::kReconnecting);
  CHECK(fixture.state().last_error == "the event stream ended");
  CHECK(fixture.state().since == fixture.bus.server.clock.wall());
  CHECK_FALSE(fixture.client.connected().is_set());
  CHECK(fixture.log.count("warning: ssh-agent: the event stream ended; trying again") == 1);
  fixture.pass(999ms);
  CHECK(fixture.bus.subscriptions == 1);
  fixture.pass(1ms);
  CHECK(fixture.bus.subscriptions == 2);
  CHECK(fixture.state().kind == Kind::kConnected);
  CHECK(fixture.state().last_error.empty());
  fixture.bus.send_event(request_envelope("1"));
  CHECK(fixture.handler.requests.size() == 1);
}

TEST_CASE("a bus on this machine is tried every second, however long it is away") {
  ListenerFixture fixture;
  fixture.bus.subscribe_status = 503;
  fixture.start();
  for (int attempt = 1; attempt <= 40; ++attempt) {
    CHECK(fixture.bus.subscriptions == attempt);
    fixture.pass(999ms);
    CHECK(fixture.bus.subscriptions == attempt);
    fixture.pass(1ms);
  }
  CHECK(fixture.log.warnings.size() == 1);  // the cause is said once
}

TEST_CASE("a listener that is refused says so, with what the bus told it") {
  ListenerFixture fixture;
  fixture.bus.subscribe_status = 409;
  fixture.bus.subscribe_body =
      R"({"error":{"code":"NAMESPACE_ALREADY_REGISTERED","message":"ssh-agent has a listener already"}})";
  fixture.start();
  CHECK(fixture.state().kind == Kind::kRejected);
  CHECK(fixture.state().last_error ==
        fixture.bus.url().address.text() + " answered 409: ssh-agent has a listener already");
  CHECK(fixture.log.count("answered 409: ssh-agent has a listener already; trying again") == 1);
  fixture.bus.subscribe_status = 200;
  fixture.pass(1s);
  CHECK(fixture.state().kind == Kind::kConnected);
}

TEST_CASE("a refusal without a text has the status") {
  ListenerFixture fixture;
  fixture.bus.subscribe_status = 401;
  fixture.bus.subscribe_body = GENERATE(as<std::string>{}, "", "no", R"({"error":"x"})");
  fixture.start();
  CHECK(fixture.state().last_error == fixture.bus.url().address.text() + " answered 401");
}

TEST_CASE("a bus that does not answer is given up after ten seconds") {
  ListenerFixture fixture;
  fixture.bus.subscribe_status = 0;
  fixture.start();
  fixture.pass(9'999ms);
  CHECK(fixture.state().last_error.empty());
  fixture.pass(1ms);
  CHECK(fixture.state().kind == Kind::kReconnecting);
  CHECK(fixture.state().last_error == "no answer within 10s");
}

TEST_CASE("an event that is too long ends the stream, and the next one works") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send("data: " + std::string(2 * kMaxPublishBody, 'x') + "\n\n");
  CHECK(fixture.state().kind == Kind::kReconnecting);
  CHECK_THAT(fixture.state().last_error, Catch::Contains("longer than"));
  fixture.pass(1s);
  CHECK(fixture.state().kind == Kind::kConnected);
  fixture.bus.send_event(request_envelope("1"));
  CHECK(fixture.handler.requests.size() == 1);
}

TEST_CASE("a bus that is not there yet is found when it comes") {
  FakeClock clock;
  async::Loop loop(clock);
  net::TemporaryFolder folder;
  const LogLines log;
  FakeHandler handler(loop);
  const std::string path = folder / "bus.sock";
  ListenerClient client(loop, ListenerOptions{*net::parse_url("unix://" + path), "", ""}, "ssh-agent",
                        handler);
  async::Scope tasks(loop);
  tasks.spawn(client.run());
  loop.poll();
  CHECK(client.state().kind == Kind::kReconnecting);
  CHECK(log.count(path) == 1);
  auto listener = net::Listener::open(loop, net::unix_at(path));
  REQUIRE(listener);
  net::Running<Result<UniqueFd>> accepted(loop, listener->acceptor().accept());
  clock.advance(1s);
  REQUIRE(accepted.done());
  tasks.cancel();
}

TEST_CASE("states have names") {
  CHECK(to_text(Kind::kReconnecting) == "reconnecting");
  CHECK(to_text(Kind::kConnected) == "connected");
  CHECK(to_text(Kind::kStopped) == "stopped");
  CHECK(to_text(Kind::kRejected) == "rejected");
}

// A bus on TCP that counts as another machine's: 0.0.0.0 is this one, but no loopback address.
class RemoteBus {
 public:
  RemoteBus() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* native = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(fd_.get(), native, size) == 0);
    REQUIRE(::listen(fd_.get(), 8) == 0);
    REQUIRE(::getsockname(fd_.get(), native, &size) == 0);
    url.address.host = "0.0.0.0";
    url.address.port = ntohs(address.sin_port);
    url.path = "/";
    url.host_header = "bus";
    REQUIRE_FALSE(url.address.is_local());
  }
  // A connection that waits to be taken.
  UniqueFd accept() const { return UniqueFd(::accept(fd_.get(), nullptr, nullptr)); }
  net::Url url;

 private:
  UniqueFd fd_;
};

struct RemoteFixture {
  FakeClock clock;
  async::Loop loop{clock};
  LogLines log;
  RemoteBus bus;
  FakeHandler handler{loop};
  ListenerClient client{loop, ListenerOptions{bus.url, "", ""}, "ssh-agent", handler};
  async::Scope tasks{loop};

  RemoteFixture() {
    tasks.spawn(client.run());
    loop.poll();
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  // The kernel hands TCP on when it pleases: look until it has.
  template <class Condition>
  void wait_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      loop.poll();
    }
  }
  bool is(Kind kind) const { return client.state().kind == kind; }
  // Takes the client's next connection and makes it a stream.
  UniqueFd take() {
    UniqueFd fd;
    wait_until([&] { return fd = bus.accept(), static_cast<bool>(fd); });
    constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    REQUIRE(::send(fd.get(), kHead.data(), kHead.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kHead.size()));
    wait_until([&] { return is(Kind::kConnected); });
    return fd;
  }
  void end(UniqueFd fd) {
    fd.reset();
    wait_until([&] { return is(Kind::kReconnecting); });
  }
};

TEST_CASE("a bus elsewhere is tried after 1 second, then ever later, up to 30") {
  RemoteFixture fixture;
  fixture.end(fixture.take());
  for (const Millis pause : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    fixture.pass(pause - 1ms);
    CHECK_FALSE(fixture.bus.accept());
    fixture.pass(1ms);
    fixture.end(fixture.take());
  }
}

TEST_CASE("a stream that held for a minute starts the pauses over") {
  RemoteFixture fixture;
  fixture.end(fixture.take());
  fixture.pass(1s);
  fixture.end(fixture.take());
  fixture.pass(2s);
  UniqueFd stream = fixture.take();
  SECTION("a minute") {
    fixture.pass(60s);
    fixture.end(std::move(stream));
    fixture.pass(1s);
    fixture.end(fixture.take());
  }
  SECTION("not quite a minute") {
    fixture.pass(60s - 1ms);
    fixture.end(std::move(stream));
    fixture.pass(4s - 1ms);
    CHECK_FALSE(fixture.bus.accept());
    fixture.pass(1ms);
    fixture.end(fixture.take());
  }
}

}  // namespace
}  // namespace shed::bus
