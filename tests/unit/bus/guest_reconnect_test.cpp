#include "connector_fixture.h"

namespace shed::bus {
namespace {

TEST_CASE("a guest that cannot be reached is dialled with growing pauses, at last every second") {
  ConnectorFixture fixture;
  fixture.web.script.failure = fail(Errc::kUnavailable, "connect to /run/web.sock: connection refused");
  fixture.web.start();
  int dialled = 1;
  for (const Millis pause : {50ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms, 1000ms}) {
    CHECK(fixture.web.script.dialled == dialled);
    fixture.pass(pause - 1ms);
    CHECK(fixture.web.script.dialled == dialled);
    fixture.pass(1ms);
    CHECK(fixture.web.script.dialled == ++dialled);
  }
}

TEST_CASE("a guest that is started again is back within two seconds") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.pass(60s);
  // Away for a minute.
  fixture.web.script.failure = fail(Errc::kNotFound, "connect to /run/web.sock: no such file");
  fixture.web.peer().close();
  for (int i = 0; i < 60; ++i) fixture.pass(1s);
  CHECK_FALSE(fixture.connected(fixture.web));
  fixture.web.script.failure = {};
  fixture.pass(1s);
  fixture.web.answer_greeting();
  CHECK(fixture.connected(fixture.web));
}

TEST_CASE("a guest whose connection lasted is dialled again at once, one that flaps is not") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.pass(GuestConnector::kStableAfter);
  fixture.web.peer().close();
  fixture.pass(0ms);
  CHECK(fixture.web.script.dialled == 2);
  fixture.web.answer_greeting();
  fixture.web.peer().close();
  fixture.pass(0ms);
  CHECK(fixture.web.script.dialled == 2);
  fixture.pass(GuestConnector::kFirstPause);
  CHECK(fixture.web.script.dialled == 3);
}

TEST_CASE("why a guest cannot be reached is said once for each cause, and again after it was connected") {
  ConnectorFixture fixture;
  fixture.web.script.failure = fail(Errc::kNotFound, "no such file");
  fixture.web.start();
  for (int i = 0; i < 20; ++i) fixture.pass(1s);
  CHECK(fixture.log.count("guest web: not connected: no such file; trying again") == 1);
  fixture.web.script.failure = fail(Errc::kUnavailable, "connection refused");
  for (int i = 0; i < 20; ++i) fixture.pass(1s);
  CHECK(fixture.log.count("guest web: not connected: connection refused; trying again") == 1);
  fixture.web.script.failure = {};
  fixture.pass(1s);
  fixture.web.answer_greeting();
  CHECK(fixture.log.count("guest web: connected (vsock)") == 1);
  for (int i = 0; i < 2; ++i) {
    fixture.pass(30s);
    fixture.web.send(heartbeat("2026-03-31T15:00:00Z"));
  }
  fixture.web.script.failure = fail(Errc::kUnavailable, "connection refused");
  fixture.web.peer().close();
  fixture.pass(1s);
  CHECK(fixture.log.count("guest web: gone: it hung up") == 1);
  CHECK(fixture.log.count("guest web: not connected: connection refused") == 2);
}

TEST_CASE("a guest that comes and goes all the time has one line a minute") {
  ConnectorFixture fixture;
  fixture.web.start();
  for (int i = 0; i < 20; ++i) {
    fixture.web.answer_greeting();
    fixture.web.peer().close();
    fixture.pass(1s);
  }
  CHECK(fixture.log.count("guest web: connected") <= 2);
  CHECK(fixture.log.count("guest web: gone") == 1);
}

TEST_CASE("what a guest asks again after its link was cut is not delivered twice, and answered once") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.pass(10s);
  fixture.web.send(message(kRequestId));
  REQUIRE(fixture.events(*listener).size() == 1);
  fixture.web.peer().close();
  fixture.pass(0ms);
  fixture.web.answer_greeting();
  fixture.web.send(heartbeat("2026-03-31T15:00:00Z"));
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).empty());
  REQUIRE(fixture.respond(answer_to(kRequestId)));
  fixture.loop.poll();
  CHECK(fixture.web.received() == std::vector<std::string>{answer_to(kRequestId)});
}

TEST_CASE("an answer while the guest is away finds nobody, and the guest may ask again") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.web.send(message(kRequestId));
  REQUIRE(fixture.events(*listener).size() == 1);
  fixture.web.peer().close();
  CHECK(fixture.respond(answer_to(kRequestId)).error().code() == Errc::kNotFound);
  fixture.pass(1s);
  fixture.web.answer_greeting();
  fixture.web.send(heartbeat("2026-03-31T15:00:00Z"));
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 1);
}

TEST_CASE("a guest process that was started again knows nothing of what was asked before") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.web.send(message(kRequestId));
  REQUIRE(fixture.events(*listener).size() == 1);
  fixture.web.peer().close();
  fixture.pass(1s);
  fixture.web.answer_greeting();
  fixture.web.send(heartbeat("2026-03-31T16:00:00Z"));
  CHECK(fixture.connected(fixture.web));
  CHECK(fixture.respond(answer_to(kRequestId)).error().code() == Errc::kRefused);
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 1);
}

std::string hello(std::string_view started_at) {
  return message("0197f000-0000-7000-8000-0000000000fd",
                 fmt::format(R"({{"started_at":"{}","greeted":false}})", started_at), kHealthNamespace,
                 "event");
}

TEST_CASE("a new process behind the same line is greeted again, and asks anew") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  fixture.web.send(message(kRequestId));
  REQUIRE(fixture.events(*listener).size() == 1);
  fixture.web.send(hello("2026-03-31T16:00:00Z"));
  CHECK_FALSE(fixture.connected(fixture.web));
  fixture.loop.poll();
  fixture.web.answer_greeting();
  CHECK(fixture.connected(fixture.web));
  CHECK(fixture.web.script.dialled == 1);
  fixture.web.send(message(kRequestId));
  CHECK(fixture.events(*listener).size() == 1);
}

TEST_CASE("a new process that does not answer the greeting is dialled anew") {
  ConnectorFixture fixture;
  fixture.web.connect();
  fixture.web.send(hello("2026-03-31T16:00:00Z"));
  fixture.pass(kGreetingLimit);
  fixture.pass(0ms);
  CHECK(fixture.web.script.dialled == 2);
  CHECK(fixture.web.script.peers.front().ended());
}

TEST_CASE("a guest that wants to be greeted without end is not") {
  ConnectorFixture fixture;
  fixture.web.connect();
  for (unsigned i = 0; i < GuestConnector::kMaxBeforeGreeting; ++i) {
    fixture.web.send(hello("2026-03-31T16:00:00Z"));
    fixture.loop.poll();
    fixture.web.answer_greeting();
  }
  CHECK(fixture.connected(fixture.web));
  fixture.web.send(hello("2026-03-31T16:00:00Z"));
  CHECK(fixture.web.peer().ended());
  CHECK(fixture.log.count("it wants to be greeted without end") == 1);
}

TEST_CASE("a guest that is greeted again and again has one line a minute") {
  ConnectorFixture fixture;
  fixture.web.connect();
  for (int i = 0; i < 20; ++i) {
    fixture.web.send(hello("2026-03-31T16:00:00Z"));
    fixture.loop.poll();
    fixture.web.answer_greeting();
  }
  CHECK(fixture.connected(fixture.web));
  CHECK(fixture.log.count("guest web: connected") == 2);
}

TEST_CASE("a guest that claims to be started again has no more places at a listener for it") {
  ConnectorFixture fixture;
  const auto listener = fixture.listen();
  fixture.web.connect();
  const auto ask = [&fixture] {
    for (int i = 0; i < 70; ++i) fixture.web.send(message(make_uuid7(fixture.clock.wall()).view()));
  };
  ask();
  CHECK(fixture.events(*listener).size() == 64);
  for (int i = 0; i < 4; ++i) {
    fixture.web.send(heartbeat(fmt::format("2026-03-31T16:00:0{}Z", i)));
    ask();
    CHECK(fixture.events(*listener).empty());
  }
}

TEST_CASE("an event that has no place is counted and logged") {
  ConnectorFixture fixture;
  fixture.web.connect();
  for (int i = 0; i < 2; ++i) fixture.web.send(message(kRequestId, "1", "ssh-agent", "event"));
  fixture.loop.poll();
  CHECK(fixture.web.received().empty());
  CHECK(fixture.web.connector.record().refused == 2);
  CHECK(fixture.log.count("guest web: an event was refused: nobody on the host listens to ssh-agent") == 1);
}

TEST_CASE("a connector that ends leaves nothing behind with the listeners") {
  ConnectorFixture fixture;
  auto listener = fixture.listen();
  auto guest = std::make_unique<TestConnector>(fixture.loop, fixture.half, fixture.reader, "short");
  guest->connect();
  guest->send(message(kRequestId));
  guest.reset();
  CHECK(fixture.half.guests().empty());
  CHECK(fixture.events(*listener).empty());
  CHECK(fixture.respond(answer_to(kRequestId, "short")).error().code() == Errc::kNotFound);
  listener.reset();
}

TEST_CASE("who waits for a host sees it come and go") {
  FakeClock clock;
  async::Loop loop(clock);
  GuestHalf half(loop);
  FakeUplink uplink;
  CHECK_FALSE(half.has_uplink().is_set());
  half.connect(&uplink);
  CHECK(half.has_uplink().is_set());
  half.connect(nullptr);
  CHECK_FALSE(half.has_uplink().is_set());
}

}  // namespace
}  // namespace shed::bus
