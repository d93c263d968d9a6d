#include "connector_fixture.h"

namespace shed::bus {
namespace {

TEST_CASE("a guest is greeted, and is there once it has answered") {
  ConnectorFixture fixture;
  fixture.web.start();
  CHECK(fixture.half.guests().empty());
  const std::string greeting = fixture.web.answer_greeting();
  CHECK(member(greeting, "namespace") == "system:health");
  CHECK(member(greeting, "type") == "request");
  CHECK(greeting.find(R"("payload":null)") != std::string::npos);
  REQUIRE(fixture.half.guests().size() == 1);
  const ShedView shed = fixture.half.guests()[0]->shed();
  CHECK(shed.name == "web");
  CHECK(shed.backend == "vsock");
  CHECK(shed.server == "mini2");
  CHECK(fixture.web.connector.record().since == fixture.clock.wall());
}

TEST_CASE("the greeting holds the guest's token when there is one") {
  ConnectorFixture fixture;
  fixture.web.script.token = "0123456789abcdef";
  fixture.web.start();
  CHECK(fixture.web.answer_greeting().find(R"("payload":{"token":"0123456789abcdef"})") != std::string::npos);
}

TEST_CASE("what an earlier session has left on the line is passed over until the greeting is answered") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.start();
  const auto greeting = fixture.web.received();
  REQUIRE(greeting.size() == 1);
  fixture.web.send(heartbeat("2026-03-31T15:00:00Z"));
  fixture.web.send(message(kRequestId));
  fixture.web.send("garbage");
  fixture.web.send(greeting_answer(message("0197f000-0000-7000-8000-00000000dead")));
  CHECK(fixture.half.guests().empty());
  fixture.web.send(greeting_answer(greeting[0]));
  CHECK(fixture.connected(fixture.web));
  CHECK(fixture.events(*listener).empty());
}

TEST_CASE("a guest that says other things without end is not waited for") {
  ConnectorFixture fixture;
  fixture.web.start();
  std::string flood;
  for (unsigned i = 0; i <= GuestConnector::kMaxBeforeGreeting; ++i) flood += frame_text(message(kRequestId));
  fixture.web.peer().send(flood);
  CHECK(fixture.web.peer().ended());
  CHECK(fixture.log.count("other messages came instead of an answer to the greeting") == 1);
}

TEST_CASE("a guest that does not answer the greeting in time is dialled again, whatever else it says") {
  ConnectorFixture fixture;
  fixture.web.start();
  fixture.pass(kGreetingLimit - 1ms);
  fixture.web.send(message(kRequestId));
  CHECK(fixture.web.script.dialled == 1);
  fixture.pass(1ms);
  CHECK(fixture.web.peer().ended());
  CHECK(fixture.log.count("guest web: not connected: the greeting was not answered within 5s") == 1);
  fixture.pass(GuestConnector::kFirstPause);
  CHECK(fixture.web.script.dialled == 2);
}

TEST_CASE("a request goes to its listener under the name of the connector, and the answer back as it is") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.db.connect();
  fixture.web.send(message(kRequestId, "1", "ssh-agent", "request",
                           R"(,"shed":{"name":"db","backend":"root","server":"other"})"));
  const auto events = fixture.events(*listener);
  REQUIRE(events.size() == 1);
  CHECK(events[0].find(R"("shed":{"name":"web","backend":"vsock","server":"mini2"})") != std::string::npos);
  CHECK(events[0].find("root") == std::string::npos);
  CHECK(fixture.respond(answer_to(kRequestId)));
  fixture.loop.poll();
  CHECK(fixture.web.received() == std::vector<std::string>{answer_to(kRequestId)});
  CHECK(fixture.db.received().empty());
}

TEST_CASE("an answer is sent once, and none that nobody asked for") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.db.connect();
  fixture.web.send(message(kRequestId));
  REQUIRE(fixture.respond(answer_to(kRequestId)));
  CHECK(fixture.respond(answer_to(kRequestId)).error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer_to(kRequestId, "db")).error().code() == Errc::kRefused);
  fixture.loop.poll();
  CHECK(fixture.web.received().size() == 1);
  CHECK(fixture.db.received().empty());
}

TEST_CASE("two guests that use the same id at the same time each get their own answer") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.db.connect();
  fixture.web.send(message(kRequestId));
  fixture.db.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 2);
  REQUIRE(fixture.respond(answer_to(kRequestId, "db")));
  fixture.loop.poll();
  CHECK(fixture.db.received() == std::vector<std::string>{answer_to(kRequestId, "db")});
  CHECK(fixture.web.received().empty());
  REQUIRE(fixture.respond(answer_to(kRequestId, "web")));
  fixture.loop.poll();
  CHECK(fixture.web.received() == std::vector<std::string>{answer_to(kRequestId, "web")});
}

TEST_CASE("what is of no use is dropped, counted and logged once a minute, and the guest is served on") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  const auto dropped_with = [&](const std::string& bad, std::string_view line) {
    const auto before = fixture.web.connector.record().dropped;
    fixture.web.send(bad);
    fixture.web.send(bad);
    CHECK(fixture.web.connector.record().dropped == before + 2);
    CHECK(fixture.log.count(fmt::format("guest web: dropped: {}", line)) == 1);
  };
  SECTION("not JSON") { dropped_with("{\"id\":", "not a message"); }
  SECTION("nothing at all") { dropped_with("", "not a message"); }
  SECTION("no object") { dropped_with("[1,2]", "not a message"); }
  SECTION("no id") { dropped_with(R"({"namespace":"ssh-agent","type":"request"})", "not a message"); }
  SECTION("an id that is no UUID") { dropped_with(message("1"), "the id is not a UUID"); }
  SECTION("a response") {
    dropped_with(message(kRequestId, "1", "ssh-agent", "response", R"(,"in_reply_to":"x")"), "an answer");
  }
  SECTION("a reserved namespace") {
    dropped_with(message(kRequestId, "1", "system:admin"),
                 "a message in the reserved namespace system:admin");
  }
  SECTION("a health request") { dropped_with(message(kRequestId, "1", kHealthNamespace), "not a heartbeat"); }
  SECTION("a heartbeat without a time") {
    dropped_with(message(kRequestId, "{}", kHealthNamespace, "event"), "not a heartbeat");
  }
  SECTION("a timestamp that is too long") {
    dropped_with(message(kRequestId, "1", "ssh-agent", "request",
                         fmt::format(R"(,"timestamp":"{}")", std::string(100, '1'))),
                 "the timestamp is too long");
  }
  SECTION("a message that is too long") {
    dropped_with(std::string(GuestConnector::kMaxMessage + 1, ' '),
                 "a message of 1114113 bytes is over the limit");
  }
  CHECK(fixture.events(*listener).empty());
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 1);
}

TEST_CASE("a message that is too long is dropped before its bytes come, and the next one is read") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  const std::string frame = frame_text(std::string(2 * GuestConnector::kMaxMessage, ' '));
  fixture.web.peer().send(std::string_view(frame).substr(0, 100));
  CHECK(fixture.web.connector.record().dropped == 1);
  fixture.web.peer().send(std::string_view(frame).substr(100));
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 1);
  CHECK(fixture.web.connector.record().dropped == 1);
}

TEST_CASE("a frame of another type is passed over, with the guest's name in the log") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.web.peer().send(frame_text("whatever", 0x42));
  fixture.web.send(message(kRequestId));
  CHECK(fixture.log.count("guest web: a frame of unknown type 0x42 was passed over") == 1);
  CHECK(fixture.events(*listener).size() == 1);
}

TEST_CASE("a length over the limit ends the connection of that guest alone") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.db.connect();
  fixture.web.peer().send(std::string_view("\x20\x01\x00\x00\x01", 5));
  CHECK(fixture.web.peer().ended());
  CHECK(fixture.log.count("guest web: gone: a frame of 16777217 bytes is over the limit") == 1);
  CHECK_FALSE(fixture.connected(fixture.web));
  CHECK(fixture.connected(fixture.db));
}

TEST_CASE("half a frame and then silence ends the connection of that guest alone") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.db.connect();
  fixture.web.peer().send(frame_text(message(kRequestId)).substr(0, 40));
  fixture.pass(FrameLink::kStallLimit);
  CHECK_FALSE(fixture.connected(fixture.web));
  CHECK(fixture.connected(fixture.db));
  CHECK(fixture.log.count("guest web: gone: half a frame came, and then nothing for 10s") == 1);
}

TEST_CASE("a connection that is cut inside a frame is dialled again at once") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.pass(GuestConnector::kStableAfter);
  fixture.web.peer().send(frame_text(message(kRequestId)).substr(0, 40));
  fixture.web.peer().close();
  fixture.pass(0ms);
  CHECK(fixture.log.count("guest web: gone: the connection ended inside a frame") == 1);
  CHECK(fixture.web.script.dialled == 2);
}

TEST_CASE("a guest whose heartbeats stop is gone after three of them") {
  ConnectorFixture fixture;
  fixture.web.connect();
  for (int i = 0; i < 4; ++i) {
    fixture.pass(kHeartbeatInterval);
    fixture.web.send(heartbeat("2026-03-31T15:00:00Z"));
  }
  fixture.pass(kSilenceLimit - 1ms);
  CHECK(fixture.connected(fixture.web));
  fixture.pass(1ms);
  CHECK_FALSE(fixture.connected(fixture.web));
  CHECK(fixture.log.count("guest web: gone: nothing came for 45s") == 1);
}

TEST_CASE("nobody listens: the guest is told at once, with the reason") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.web.send(message(kRequestId));
  fixture.loop.poll();
  const auto answers = fixture.web.received();
  REQUIRE(answers.size() == 1);
  CHECK(member(answers[0], "in_reply_to") == kRequestId);
  CHECK(member(answers[0], "namespace") == "ssh-agent");
  CHECK(member(answers[0], "type") == "response");
  CHECK(member(answers[0], "refusal") == "unavailable");
  CHECK(answers[0].find(R"("payload":{"error":"nobody on the host listens to ssh-agent)") !=
        std::string::npos);
  CHECK(answers[0].find(R"("code":"INTERNAL_ERROR")") != std::string::npos);
  CHECK(fixture.web.connector.record().refused == 1);
}

TEST_CASE("requests over the bound are refused to the guest that floods, and others are served") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.db.connect();
  std::string flood;
  for (unsigned i = 0; i < 300; ++i) {
    flood += frame_text(message(fmt::format("0197f000-0000-7000-8000-{:012x}", i)));
  }
  fixture.web.peer().send(flood);
  fixture.loop.poll();
  const auto refusals = fixture.web.received();
  CHECK(refusals.size() == 300 - HostHalf::kMaxInFlight);
  CHECK(member(refusals.at(0), "refusal") == "limit");
  CHECK(member(refusals.at(0), "in_reply_to") == "0197f000-0000-7000-8000-000000000100");
  fixture.db.send(message(kRequestId));
  CHECK(fixture.db.received().empty());
  CHECK(member(fixture.events(*listener).at(1), "id") == kRequestId);
}

TEST_CASE("when the listener goes, the guest is told that its request is lost") {
  ConnectorFixture fixture;
  auto listener = fixture.listen();
  fixture.web.connect();
  fixture.web.send(message(kRequestId));
  listener.reset();
  fixture.loop.poll();
  const auto answers = fixture.web.received();
  REQUIRE(answers.size() == 1);
  CHECK(member(answers[0], "refusal") == "closed");
  CHECK(member(answers[0], "in_reply_to") == kRequestId);
}

TEST_CASE("a guest that does not read is refused its answers at a bound, and nobody else is held up") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.db.connect();
  const std::string payload = "\"" + std::string(512 * 1024, 'x') + "\"";
  Status status;
  for (unsigned i = 0; status && i < 20; ++i) {
    const std::string id = fmt::format("0197f000-0000-7000-8000-{:012x}", i);
    fixture.web.send(message(id));
    status = fixture.respond(
        response_to(id, "ssh-agent", payload, R"({"name":"web","backend":"x","server":"mini2"})"));
    fixture.loop.poll();
  }
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kLimit);
  CHECK(fixture.web.connector.record().dropped == 1);
  CHECK(fixture.log.count("guest web: dropped: an answer:") == 1);
  fixture.db.send(message(kRequestId));
  CHECK(fixture.respond(answer_to(kRequestId, "db")));
}

}  // namespace
}  // namespace shed::bus
