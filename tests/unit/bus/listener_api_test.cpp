#include "shed/bus/listener_api.h"

#include "bus_fixture.h"

namespace shed::bus {
namespace {

constexpr std::string_view kListeners = "/api/plugins/listeners";
constexpr std::string_view kRespond = "/api/plugins/listeners/ssh-agent/respond";

std::string messages(std::string_view ns) { return fmt::format("{}/{}/messages", kListeners, ns); }

Answer ask_host(TestBus& bus, std::string_view request) {
  net::Peer peer = bus.host();
  return ask(peer, request);
}

// A request of the guest "web", as its half of the bus sends it.
std::string accept_request(TestBus& bus, std::string_view payload) {
  const Uuid id = make_uuid7(bus.clock.wall());
  Envelope envelope;
  envelope.id = id.view();
  envelope.ns = "ssh-agent";
  envelope.timestamp = "2026-03-31T15:04:05.000Z";
  envelope.payload = payload;
  REQUIRE(bus.bus->host_half().accept(*bus.bus->host_half().guests()[0], envelope));
  return std::string(id.view());
}

std::string send_request(TestBus& bus, std::string_view payload = "1") {
  std::string id = accept_request(bus, payload);
  bus.loop.poll();
  return id;
}

TEST_CASE("the list of listeners has none at first, then all with their times") {
  TestBus bus;
  CHECK(ask_host(bus, http_get(kListeners)).body == R"({"listeners":[]})");
  TestListener ssh(bus, "ssh-agent");
  bus.pass(60s);
  TestListener aws(bus, "aws-credentials");
  const Answer answer = ask_host(bus, http_get(kListeners));
  CHECK(answer.status == 200);
  CHECK(answer.head.find("content-type: application/json\r\n") != std::string::npos);
  CHECK(answer.body == R"({"listeners":[{"namespace":"ssh-agent","created_at":"2026-03-31T15:04:05Z"},)"
                       R"({"namespace":"aws-credentials","created_at":"2026-03-31T15:05:05Z"}]})");
}

TEST_CASE("the list of sheds has every guest") {
  TestBus bus;
  FakePort db("db", "");
  bus.bus->host_half().attach(db);
  CHECK(ask_host(bus, http_get("/api/plugins/sheds")).body ==
        R"({"sheds":[{"name":"web","backend":"local","server":"mini2"},)"
        R"({"name":"db","backend":"fake","server":""}]})");
  bus.bus->host_half().detach(db);
}

TEST_CASE("a listener gets an event stream, and a comment at once") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  CHECK(listener.head().starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"));
  CHECK_FALSE(listener.peer.ended());
}

TEST_CASE("a message is an event line, a data line and an empty line") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string id = send_request(bus, R"({"operation" : "ping"})");
  CHECK(listener.received() ==
        fmt::format("event: message\ndata: {{\"id\":\"{}\",\"namespace\":\"ssh-agent\",\"type\":\"request\","
                    "\"final\":true,\"timestamp\":\"2026-03-31T15:04:05.000Z\","
                    "\"payload\":{{\"operation\" : \"ping\"}},"
                    "\"shed\":{{\"name\":\"web\",\"backend\":\"local\",\"server\":\"mini2\"}}}}\n\n",
                    id));
}

TEST_CASE("messages come in their order") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string first = send_request(bus);
  const std::string second = send_request(bus);
  const auto events = events_in(listener.received());
  REQUIRE(events.size() == 2);
  CHECK(member(events[0], "id") == first);
  CHECK(member(events[1], "id") == second);
}

TEST_CASE("a silent stream has a comment every 15 seconds") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  for (int i = 0; i < 3; ++i) {
    bus.pass(14'999ms);
    CHECK(listener.received().empty());
    bus.pass(1ms);
    CHECK(listener.received() == ":\n\n");
  }
}

async::Task<> send_later(TestBus& bus, Millis pause, std::string& id) {
  auto sleep = bus.loop.sleep(pause);
  co_await sleep;
  id = accept_request(bus, "1");
}

TEST_CASE("a message of the same moment as the comment is not lost") {
  TestBus bus;
  std::string id;
  async::Scope tasks(bus.loop);
  // Rings before the stream's own alarm of that moment, which is armed later.
  tasks.spawn(send_later(bus, ListenerApi::kCommentInterval, id));
  bus.loop.poll();
  TestListener listener(bus, "ssh-agent");
  bus.pass(ListenerApi::kCommentInterval);
  REQUIRE_FALSE(id.empty());
  CHECK(member(listener.message(), "id") == id);
}

TEST_CASE("a namespace that has a listener is NAMESPACE_ALREADY_REGISTERED") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  CHECK(ask_host(bus, http_get(messages("ssh-agent"))).is_error(409, "NAMESPACE_ALREADY_REGISTERED"));
  send_request(bus);
  CHECK(member(listener.message(), "type") == "request");
}

TEST_CASE("a listener that leaves makes room for the next") {
  TestBus bus;
  {
    TestListener listener(bus, "ssh-agent");
    listener.peer.close();
  }
  bus.loop.poll();
  TestListener next(bus, "ssh-agent");
  send_request(bus);
  CHECK(member(next.message(), "type") == "request");
}

TEST_CASE("a reserved namespace is NAMESPACE_RESERVED, however it is written") {
  TestBus bus;
  CHECK(ask_host(bus, http_get(messages("system:health"))).is_error(403, "NAMESPACE_RESERVED"));
  CHECK(ask_host(bus, http_get(messages("system%3Ahealth"))).is_error(403, "NAMESPACE_RESERVED"));
  CHECK(ask_host(bus, http_get(messages("%73ystem%3ahealth"))).is_error(403, "NAMESPACE_RESERVED"));
}

TEST_CASE("a bad namespace is INVALID_NAMESPACE") {
  TestBus bus;
  const std::string too_long(129, 'n');
  for (const std::string& ns : std::vector<std::string>{"", "a%20b", "a%0ab", "%00", "%ff", too_long}) {
    INFO(ns);
    CHECK(ask_host(bus, http_get(messages(ns))).is_error(400, "INVALID_NAMESPACE"));
  }
}

TEST_CASE("a namespace may be percent-encoded, also with slashes in it") {
  TestBus bus;
  TestListener first(bus, "ssh%2Dagent");
  TestListener second(bus, "team%2fone");
  TestListener third(bus, "100%");
  const std::string body = ask_host(bus, http_get(kListeners)).body;
  CHECK(body.find(R"("namespace":"ssh-agent")") != std::string::npos);
  CHECK(body.find(R"("namespace":"team/one")") != std::string::npos);
  CHECK(body.find(R"("namespace":"100%")") != std::string::npos);
}

TEST_CASE("one listener too many is TOO_MANY_LISTENERS") {
  TestBus bus;
  std::vector<std::unique_ptr<HostHalf::Subscription>> others;
  for (std::size_t i = 0; i < HostHalf::kMaxListeners; ++i) {
    others.push_back(std::move(*bus.bus->host_half().subscribe(fmt::format("n{}", i))));
  }
  CHECK(ask_host(bus, http_get(messages("ssh-agent"))).is_error(429, "TOO_MANY_LISTENERS"));
}

TEST_CASE("an answer is 204 once, then REQUEST_NOT_FOUND") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string response = response_to(send_request(bus), "ssh-agent", "1");
  const Answer answer = ask_host(bus, http_post(kRespond, response));
  CHECK(answer.status == 204);
  CHECK(answer.body.empty());
  CHECK(ask_host(bus, http_post(kRespond, response)).is_error(404, "REQUEST_NOT_FOUND"));
}

TEST_CASE("an answer to what was never asked is REQUEST_NOT_FOUND") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string response = response_to("0197f000-0000-7000-8000-000000000000", "ssh-agent", "1");
  CHECK(ask_host(bus, http_post(kRespond, response)).is_error(404, "REQUEST_NOT_FOUND"));
}

TEST_CASE("what is no response envelope is INVALID_BODY") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string id = send_request(bus);
  std::string request = response_to(id, "ssh-agent", "1");
  request.replace(request.find("response"), 8, "request");
  for (const std::string& body :
       {std::string(), std::string("{}"), std::string("[]"), response_to(id, "ssh-agent", R"({"a":1])"),
        response_to(id, "aws-credentials", "1"), request, response_to(id, "ssh-agent", "1") + "}"}) {
    INFO(body);
    CHECK(ask_host(bus, http_post(kRespond, body)).is_error(400, "INVALID_BODY"));
  }
  CHECK(ask_host(bus, http_post(kRespond, response_to(id, "ssh-agent", "1"))).status == 204);
}

TEST_CASE("an answer where nobody listens is INVALID_BODY") {
  TestBus bus;
  CHECK(ask_host(bus, http_post(kRespond, response_to("1", "ssh-agent", "1"))).is_error(400, "INVALID_BODY"));
}

TEST_CASE("an answer without its guest is MISSING_SHED") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string id = send_request(bus);
  CHECK(ask_host(bus, http_post(kRespond, response_to(id, "ssh-agent", "1", "null")))
            .is_error(400, "MISSING_SHED"));
}

TEST_CASE("an answer for a guest that is not here is SHED_NOT_CONNECTED") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  const std::string id = send_request(bus);
  for (const std::string_view shed :
       {R"({"name":"db","server":"mini2"})", R"({"name":"web","server":"other"})", "{}"}) {
    INFO(shed);
    CHECK(ask_host(bus, http_post(kRespond, response_to(id, "ssh-agent", "1", shed)))
              .is_error(404, "SHED_NOT_CONNECTED"));
  }
}

TEST_CASE("an answer that is too large is BODY_TOO_LARGE") {
  TestBus bus;
  TestListener listener(bus, "ssh-agent");
  CHECK(ask_host(bus, http_post(kRespond, std::string(2 * kMaxPublishBody, ' ')))
            .is_error(413, "BODY_TOO_LARGE"));
}

TEST_CASE("a foreign Host and what a web page sends are refused") {
  TestBus bus;
  CHECK(ask_host(bus, http_get(kListeners, "Host: evil.example\r\n")).is_error(403, "FORBIDDEN_HOST"));
  CHECK(ask_host(bus, http_get(messages("ssh-agent"), "Host: 10.1.2.3\r\n")).is_error(403, "FORBIDDEN_HOST"));
  CHECK(ask_host(bus, http_post(kRespond, "{}", "Host: localhost\r\nOrigin: http://evil.example\r\n"))
            .is_error(403, "FORBIDDEN_ORIGIN"));
  CHECK(bus.bus->host_half().subscriptions().empty());
}

TEST_CASE("other paths and methods are not found") {
  TestBus bus;
  for (const std::string& request :
       {http_get("/"), http_get("/api/plugins"), http_get("/api/plugins/listenersx"),
        http_get("/api/plugins/listeners/"), http_get("/api/plugins/listeners/ssh-agent"),
        http_get("/api/plugins/listeners/ssh-agent/other"), http_get(kRespond),
        http_post(messages("ssh-agent"), ""), http_post(kListeners, ""),
        http_post("/api/plugins/sheds", "")}) {
    INFO(request);
    CHECK(ask_host(bus, request).is_error(404, "NOT_FOUND"));
  }
}

TEST_CASE("a query does not disturb") {
  TestBus bus;
  CHECK(ask_host(bus, http_get("/api/plugins/sheds?x=1")).status == 200);
}

}  // namespace
}  // namespace shed::bus
