#include "shed/bus/local_bus.h"

#include <sys/stat.h>

#include "bus_fixture.h"

namespace shed::bus {
namespace {

constexpr std::string_view kPing = R"({"namespace":"ssh-agent","payload":{"operation":"ping"}})";
constexpr std::string_view kRespond = "/api/plugins/listeners/ssh-agent/respond";

std::string publish(std::string_view body) { return http_post("/v1/publish", body); }

mode_t mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("what a guest asks a listener answers, through both halves") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  CHECK(guest.ask(publish(kPing)).empty());
  const std::string request = listener.message();
  CHECK(member(request, "namespace") == "ssh-agent");
  CHECK(member(request, "type") == "request");
  CHECK(request.find(R"("payload":{"operation":"ping"})") != std::string::npos);
  CHECK(request.ends_with(R"("shed":{"name":"web","backend":"local","server":"mini2"}})"));

  const std::string response = response_to(member(request, "id"), "ssh-agent", R"({"status" : "ok"})");
  net::Peer other = bus.host();
  CHECK(ask(other, http_post(kRespond, response)).status == 204);
  const Answer answer = parse_answer(guest.received());
  CHECK(answer.status == 200);
  CHECK(answer.body == response);
  CHECK(guest.ask(publish(kPing)).empty());  // on the same connection
  CHECK(member(listener.message(), "id") != member(request, "id"));
}

TEST_CASE("an event is accepted and comes to the listener with its guest") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  const std::string event = R"({"namespace":"ssh-agent","type":"event","payload":1,"shed":{"name":"admin"}})";
  CHECK(ask(guest, publish(event)).status == 202);
  const std::string message = listener.message();
  CHECK(member(message, "type") == "event");
  CHECK(message.find("admin") == std::string::npos);
  CHECK(message.find(R"("name":"web")") != std::string::npos);
}

TEST_CASE("without a listener for its namespace a guest is told so at once") {
  TestBus bus;
  TestListener listener(bus, "aws-credentials");
  net::Peer guest = bus.guest();
  CHECK(ask(guest, publish(kPing)).is_error(503, "NO_CONNECTION"));
}

TEST_CASE("a listener that goes away fails what it has in hand, at once") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  guest.send(publish(kPing));
  listener.peer.close();
  bus.loop.poll();
  CHECK(parse_answer(guest.received()).is_error(503, "CONNECTION_LOST"));
  net::Peer next = bus.guest();
  CHECK(ask(next, publish(kPing)).is_error(503, "NO_CONNECTION"));
}

TEST_CASE("a slow answer delays no other guest") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer slow = bus.guest();
  net::Peer quick = bus.guest();
  slow.send(publish(kPing));
  const std::string first = member(listener.message(), "id");
  quick.send(publish(kPing));
  const std::string second = member(listener.message(), "id");
  net::Peer host = bus.host();
  CHECK(ask(host, http_post(kRespond, response_to(second, "ssh-agent", "2"))).status == 204);
  CHECK(parse_answer(quick.received()).status == 200);
  CHECK(slow.received().empty());
  CHECK(ask(host, http_post(kRespond, response_to(first, "ssh-agent", "1"))).status == 204);
  CHECK(parse_answer(slow.received()).status == 200);
}

TEST_CASE("an answer after the guest's time is over is refused") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  guest.send(publish(kPing));
  const std::string id = member(listener.message(), "id");
  bus.pass(30s);
  CHECK(parse_answer(guest.received()).is_error(504, "TIMEOUT"));
  net::Peer host = bus.host();
  // The host's half knows of no limit of the guest's: the answer goes nowhere, once.
  ask(host, http_post(kRespond, response_to(id, "ssh-agent", "1")));
  CHECK(guest.received().empty());
  CHECK(ask(host, http_post(kRespond, response_to(id, "ssh-agent", "1"))).is_error(404, "REQUEST_NOT_FOUND"));
}

TEST_CASE("an answer as large as a payload may be passes") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  guest.send(publish(kPing));
  const std::string payload = "\"" + std::string(kMaxPublishBody, 'x') + "\"";
  const std::string response = response_to(member(listener.message(), "id"), "ssh-agent", payload);
  net::Peer host = bus.host();
  CHECK(ask(host, http_post(kRespond, response)).status == 204);
  CHECK(parse_answer(guest.received()).body == response);
}

TEST_CASE("the sockets are for their owner, and go with the bus") {
  TestBus bus;
  const std::string guest = bus.bus->guest_address().unix_path;
  const std::string host = bus.bus->host_address().unix_path;
  CHECK(mode_of(guest) == 0600);
  CHECK(mode_of(host) == 0600);
  bus.stop_serving();
  bus.bus.reset();
  CHECK_FALSE(std::filesystem::exists(guest));
  CHECK_FALSE(std::filesystem::exists(host));
}

TEST_CASE("a bus that goes closes its connections") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  net::Peer guest = bus.guest();
  guest.send(publish(kPing));
  bus.stop_serving();
  bus.bus.reset();
  bus.loop.poll();
  CHECK(guest.ended());
  CHECK(listener.peer.ended());
}

TEST_CASE("nobody is taken once the bus is not serving any more") {
  TestBus bus;
  bus.stop_serving();
  net::Peer guest = bus.guest();
  CHECK(guest.ask(publish(kPing)).empty());
}

TEST_CASE("a bus does not open where another one is, and leaves it alone") {
  TestBus bus;
  const auto second = LocalBus::open(bus.loop, net::unix_at(bus.folder / "new.sock"),
                                     net::unix_at(bus.folder / "host.sock"), {});
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Errc::kExists);
  CHECK_FALSE(std::filesystem::exists(bus.folder / "new.sock"));
  net::Peer host = bus.host();
  CHECK(ask(host, http_get("/api/plugins/sheds")).status == 200);
}

TEST_CASE("a bus on loopback TCP has the ports that the system chose") {
  FakeClock clock;
  async::Loop loop(clock);
  net::Address any;
  any.host = "127.0.0.1";
  const auto bus = LocalBus::open(loop, any, any, {});
  REQUIRE(bus);
  CHECK((*bus)->guest_address().port != 0);
  CHECK((*bus)->host_address().port != 0);
  CHECK((*bus)->guest_address().port != (*bus)->host_address().port);
}

}  // namespace
}  // namespace shed::bus
