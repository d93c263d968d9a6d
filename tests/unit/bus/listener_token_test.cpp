// Who may listen: the bearer token of the listener API.
#include "bus_fixture.h"
#include "shed/net/http_server.h"

namespace shed::bus {
namespace {

struct TokenBus {
  TokenBus() {
    auto opened = net::Listener::open(loop, net::unix_at(folder / "bus.sock"));
    REQUIRE(opened);
    listener.emplace(std::move(*opened));
    tasks.spawn(server.serve(listener->acceptor()));
    loop.poll();
  }
  ~TokenBus() { tasks.cancel(); }
  Answer ask_with(std::string_view header, std::string_view path = "/api/plugins/sheds") {
    net::Peer peer(loop, folder / "bus.sock");
    return ask(peer, http_get(path, fmt::format("Host: localhost\r\n{}", header)));
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  HostHalf half{loop};
  ListenerApi api{loop, half, Secret("0123456789abcdef")};
  net::HttpServer server{loop, api, {}};
  std::optional<net::Listener> listener;
  async::Scope tasks{loop};
};

TEST_CASE("with the token everything is answered, whatever the case of the scheme") {
  TokenBus bus;
  CHECK(bus.ask_with("Authorization: Bearer 0123456789abcdef\r\n").status == 200);
  CHECK(bus.ask_with("authorization: bearer 0123456789abcdef\r\n").status == 200);
}

TEST_CASE("without the token nothing is, and the answer says how to ask") {
  TokenBus bus;
  for (const char* header :
       {"", "Authorization: \r\n", "Authorization: Bearer\r\n", "Authorization: Bearer 0123456789abcdeF\r\n",
        "Authorization: Bearer 0123456789abcdef0\r\n", "Authorization: Bearer 0123456789abcde\r\n",
        "Authorization: Basic 0123456789abcdef\r\n", "Authorization: 0123456789abcdef\r\n"}) {
    const Answer answer = bus.ask_with(header);
    CHECK(answer.is_error(401, "UNAUTHORIZED"));
    CHECK(answer.head.find("www-authenticate: Bearer\r\n") != answer.head.npos);
  }
  for (const char* path :
       {"/api/plugins/listeners", "/api/plugins/listeners/ssh-agent/messages", "/", "/v1"}) {
    CHECK(bus.ask_with("", path).is_error(401, "UNAUTHORIZED"));
  }
  CHECK(bus.half.subscriptions().empty());
}

TEST_CASE("no body is read of whoever may not answer") {
  TokenBus bus;
  const auto post = [](std::string_view path, std::string_view more) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n{}\r\n", path,
                       more);
  };
  constexpr std::string_view kRespond = "/api/plugins/listeners/ssh-agent/respond";
  net::Peer stranger(bus.loop, bus.folder / "bus.sock");
  CHECK(ask(stranger, post(kRespond, "")).is_error(401, "UNAUTHORIZED"));
  constexpr std::string_view kToken = "Authorization: Bearer 0123456789abcdef\r\n";
  net::Peer lost(bus.loop, bus.folder / "bus.sock");
  CHECK(ask(lost, post("/api/plugins/sheds", kToken)).is_error(404, "NOT_FOUND"));
}

TEST_CASE("a guest that is full is 429 to the listener that answers it") {
  TestBus bus;
  FakePort db("db", "");
  bus.bus->host_half().attach(db);
  TestListener listener(bus, "ssh-agent");
  Envelope envelope;
  envelope.id = "0197f000-0000-7000-8000-000000000001";
  envelope.ns = "ssh-agent";
  REQUIRE(bus.bus->host_half().accept(db, envelope));
  const std::string response =
      response_to(envelope.id, "ssh-agent", "1", R"({"name":"db","backend":"x","server":""})");
  db.status = fail(Errc::kLimit, "too much waits for it");
  net::Peer peer = bus.host();
  const std::string request = http_post("/api/plugins/listeners/ssh-agent/respond", response);
  CHECK(ask(peer, request).is_error(429, "SHED_BUSY"));
  db.status = {};
  CHECK(ask(peer, request).status == 204);
  bus.bus->host_half().detach(db);
  bus.bus->host_half().forget(db);
}

}  // namespace
}  // namespace shed::bus
