// What a listener does with the messages that it gets.
#include "shed/bus/listener_client.h"

#include "listener_fixture.h"

namespace shed::bus {
namespace {

std::string reply_id(const FakeHostBus::Response& response) { return member(response.body, "in_reply_to"); }

TEST_CASE("a listener subscribes to its namespace and asks for an event stream") {
  ListenerFixture fixture;
  fixture.start();
  CHECK(fixture.bus.subscriptions == 1);
  CHECK(fixture.bus.subscribed["path"] == "/api/plugins/listeners/ssh-agent/messages");
  CHECK(fixture.bus.subscribed["accept"] == "text/event-stream");
  CHECK(fixture.bus.subscribed["authorization"].empty());
  CHECK(net::is_loopback_host(fixture.bus.subscribed["host"]));
  CHECK(fixture.client.ns() == "ssh-agent");
}

TEST_CASE("a token goes along with subscription and answer") {
  ListenerFixture fixture("secret-token");
  fixture.start();
  fixture.bus.send_event(request_envelope("1"));
  CHECK(fixture.bus.subscribed["authorization"] == "Bearer secret-token");
  REQUIRE(fixture.bus.responses.size() == 1);
  CHECK(fixture.bus.responses[0].authorization == "Bearer secret-token");
  CHECK(fixture.log.count("secret-token") == 0);
}

TEST_CASE("a request reaches the handler with all that is known of it") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send_event(request_envelope("0197-a", R"({"operation" : "list"})"));
  REQUIRE(fixture.handler.requests.size() == 1);
  const IncomingRequest& request = fixture.handler.requests[0];
  CHECK(request.id == "0197-a");
  CHECK(request.ns == "ssh-agent");
  CHECK(request.payload == R"({"operation" : "list"})");
  CHECK(request.shed.name == "web");
  CHECK(request.shed.backend == "vz");
  CHECK(request.shed.server == "mini2");
}

TEST_CASE("the handler's payload is the answer, with the guest and the namespace of the request") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send_event(request_envelope("0197-a"));
  REQUIRE(fixture.bus.responses.size() == 1);
  const FakeHostBus::Response& response = fixture.bus.responses[0];
  CHECK(response.path == "/api/plugins/listeners/ssh-agent/respond");
  CHECK(response.content_type == "application/json");
  const std::string id = member(response.body, "id");
  CHECK(uuid7_time(id).value() == fixture.bus.server.clock.wall());
  CHECK(response.body ==
        fmt::format(
            R"({{"id":"{}","namespace":"ssh-agent","type":"response","in_reply_to":"0197-a","final":true,)"
            R"("timestamp":"2026-03-31T15:04:05.000Z","payload":{{"status" : "ok"}},)"
            R"("shed":{{"name":"web","backend":"vz","server":"mini2"}}}})",
            id));
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("an event in several data lines, with comments and other fields between, is one message") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send(
      ":\n\nid: 7\nevent: message\ndata: {\"id\":\"1\",\ndata:\"namespace\":\"ssh-agent\",\n: x\n");
  CHECK(fixture.handler.requests.empty());
  fixture.bus.send("data:  \"type\":\"request\",\ndata: \"shed\":{\"name\":\"web\"}}\nretry: 5\n\n");
  REQUIRE(fixture.handler.requests.size() == 1);
  CHECK(fixture.handler.requests[0].id == "1");
}

TEST_CASE("an event that comes byte by byte is one message") {
  ListenerFixture fixture;
  fixture.start();
  for (const char c : "data: " + request_envelope("1") + "\n\n") fixture.bus.send({&c, 1});
  CHECK(fixture.handler.requests.size() == 1);
}

TEST_CASE("what is no envelope is dropped with a line, and the stream goes on") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send_event("{{{");
  REQUIRE(fixture.log.warnings.size() == 1);
  CHECK_THAT(fixture.log.warnings[0], Catch::Contains("warning: ssh-agent: a message was dropped: "));
  fixture.bus.send_event(R"({"namespace":"ssh-agent","type":"request"})");
  CHECK(fixture.log.count("a message was dropped: no 'id'") == 1);
  fixture.bus.send_event(request_envelope("1"));
  CHECK(fixture.handler.requests.size() == 1);
  CHECK(fixture.bus.subscriptions == 1);
}

TEST_CASE("a message of another namespace is dropped with a line") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send_event(R"({"id":"1","namespace":"aws-credentials","type":"request"})");
  CHECK(fixture.handler.requests.empty());
  CHECK(fixture.log.count("a message was dropped: it is of another namespace") == 1);
}

TEST_CASE("a request of nobody is dropped with a line") {
  ListenerFixture fixture;
  fixture.start();
  const char* shed = GENERATE("null", "{}", R"({"name":""})", R"({"server":"mini2"})");
  CAPTURE(shed);
  fixture.bus.send_event(
      fmt::format(R"({{"id":"1","namespace":"ssh-agent","type":"request","shed":{}}})", shed));
  CHECK(fixture.handler.requests.empty());
  CHECK(fixture.bus.responses.empty());
  CHECK(fixture.log.count("a message was dropped: it names no guest") == 1);
}

TEST_CASE("events and responses are nothing to answer") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.send_event(R"({"id":"1","namespace":"ssh-agent","type":"event"})");
  fixture.bus.send_event(R"({"id":"1","namespace":"ssh-agent","type":"response","in_reply_to":"2"})");
  CHECK(fixture.handler.requests.empty());
  CHECK(fixture.bus.responses.empty());
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("a slow request delays no other") {
  ListenerFixture fixture;
  fixture.start();
  fixture.handler.gate.reset();
  fixture.handler.not_delayed = "\"quick\"";
  fixture.bus.send_event(request_envelope("slow"));
  fixture.bus.send_event(request_envelope("quick", "\"quick\""));
  REQUIRE(fixture.bus.responses.size() == 1);
  CHECK(reply_id(fixture.bus.responses[0]) == "quick");
  fixture.handler.gate.set();
  fixture.bus.server.loop.poll();
  REQUIRE(fixture.bus.responses.size() == 2);
  CHECK(reply_id(fixture.bus.responses[1]) == "slow");
}

// Of one guest, or of guests that have few each.
std::string many_requests(std::size_t count, bool of_one = false) {
  std::string events;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t guest = of_one ? count : i / ListenerClient::kFew;
    events += fmt::format("data: {}\n\n",
                          request_envelope(fmt::format("{}", i), "null",
                                           fmt::format(R"({{"name":"web{}","server":"mini2"}})", guest)));
  }
  return events;
}

TEST_CASE("so many requests run at a time, and the next is refused at once") {
  ListenerFixture fixture;
  fixture.start();
  fixture.handler.gate.reset();
  fixture.bus.send(many_requests(ListenerClient::kMaxInFlight + 1));
  CHECK(fixture.handler.requests.size() == ListenerClient::kMaxInFlight);
  REQUIRE(fixture.bus.responses.size() == 1);
  CHECK(reply_id(fixture.bus.responses[0]) == "256");
  CHECK(fixture.bus.responses[0].body.find(R"("payload":{"error":"too many requests at once",)"
                                           R"("code":"INTERNAL_ERROR","reason_code":"RATE_LIMITED"})") !=
        std::string::npos);
  fixture.handler.gate.set();
  fixture.bus.server.loop.poll();
  CHECK(fixture.bus.responses.size() == ListenerClient::kMaxInFlight + 1);
  fixture.bus.send_event(request_envelope("next"));
  CHECK(fixture.handler.requests.size() == ListenerClient::kMaxInFlight + 1);
}

TEST_CASE("one guest does not take all the places, and gets its own back") {
  ListenerFixture fixture;
  fixture.start();
  fixture.handler.gate.reset();
  fixture.bus.send(many_requests(ListenerClient::kMaxInFlight, true));
  CHECK(fixture.handler.requests.size() == ListenerClient::kCrowded);
  CHECK(fixture.bus.responses.size() == ListenerClient::kMaxInFlight - ListenerClient::kCrowded);
  fixture.bus.send(many_requests(ListenerClient::kMaxInFlight - ListenerClient::kCrowded));
  CHECK(fixture.handler.requests.size() == ListenerClient::kMaxInFlight);
  fixture.handler.gate.set();
  fixture.bus.server.loop.poll();
  fixture.handler.gate.reset();
  fixture.bus.send(many_requests(ListenerClient::kCrowded, true));
  CHECK(fixture.handler.requests.size() == ListenerClient::kMaxInFlight + ListenerClient::kCrowded);
}

TEST_CASE("refusals are bounded as well when the bus does not take them") {
  ListenerFixture fixture;
  fixture.start();
  fixture.handler.gate.reset();
  fixture.bus.respond_status = 0;
  fixture.bus.send(many_requests(2 * ListenerClient::kMaxInFlight + 50));
  CHECK(fixture.log.count("was dropped: 512 are under way") == 1);
  CHECK(fixture.handler.requests.size() == ListenerClient::kMaxInFlight);
  CHECK(fixture.bus.responses.size() == ListenerClient::kMaxInFlight);
  fixture.bus.respond_status = 204;
  fixture.pass(10s);  // the refusals are given up
  CHECK(fixture.bus.responses.size() == ListenerClient::kMaxInFlight);
  fixture.handler.gate.set();
  fixture.bus.server.loop.poll();
  CHECK(fixture.bus.responses.size() == 2 * ListenerClient::kMaxInFlight);
}

TEST_CASE("an answer that the bus refuses is one line, and is not sent again") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.respond_status = GENERATE(400, 404, 500);
  fixture.bus.send_event(request_envelope("1"));
  fixture.pass(60s);
  CHECK(fixture.bus.responses.size() == 1);
  CHECK(fixture.log.warnings == std::vector<std::string>{fmt::format(
                                    "shed-ext: warning: ssh-agent: the bus refused the answer to web: {}",
                                    fixture.bus.respond_status)});
}

TEST_CASE("a bus may answer 200 to an answer") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.respond_status = 200;
  fixture.bus.send_event(request_envelope("1"));
  CHECK(fixture.bus.responses.size() == 1);
  CHECK(fixture.log.warnings.empty());
}

TEST_CASE("an answer that the bus does not take in time is lost with one line") {
  ListenerFixture fixture;
  fixture.start();
  fixture.bus.respond_status = 0;
  fixture.bus.send_event(request_envelope("1"));
  fixture.pass(9'999ms);
  CHECK(fixture.log.warnings.empty());
  fixture.pass(1ms);
  CHECK(fixture.log.count("warning: ssh-agent: the answer to web was lost: no answer within 10s") == 1);
  CHECK(fixture.bus.responses.size() == 1);
}

TEST_CASE("a request that is under way when the stream ends is still answered") {
  ListenerFixture fixture;
  fixture.start();
  fixture.handler.gate.reset();
  fixture.bus.send_event(request_envelope("1"));
  fixture.bus.end_stream();
  CHECK(fixture.state().kind == ListenerState::Kind::kReconnecting);
  fixture.handler.gate.set();
  fixture.bus.server.loop.poll();
  CHECK(fixture.bus.responses.size() == 1);
}

}  // namespace
}  // namespace shed::bus
