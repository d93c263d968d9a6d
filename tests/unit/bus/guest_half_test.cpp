#include "shed/bus/guest_half.h"

#include "bus_fixture.h"

namespace shed::bus {
namespace {

using RunningRequest = net::Running<Result<GuestHalf::Reply>>;

struct Fixture {
  FakeClock clock;
  async::Loop loop{clock};
  FakeUplink uplink;
  GuestHalf half{loop};

  Fixture() { half.connect(&uplink); }
  // The payload must outlive the request.
  RunningRequest request(std::string_view payload = "{}", Millis limit = 30s) {
    return RunningRequest(loop, half.request("ssh-agent", payload, limit));
  }
  std::unique_ptr<RunningRequest> owned_request() {
    return std::make_unique<RunningRequest>(loop, half.request("ssh-agent", "{}", 30s));
  }
  std::string answer_to_last(std::string_view payload = "1") const {
    return response_to(uplink.sent.back().id, "ssh-agent", payload);
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
};

Errc code_of(RunningRequest& request) {
  REQUIRE(request.done());
  REQUIRE_FALSE(*request);
  return (*request).error().code();
}

TEST_CASE("a request goes up as an envelope with an id and a time of its own") {
  Fixture fixture;
  auto first = fixture.request(R"({"operation" : "ping"})");
  auto second = fixture.request();
  REQUIRE(fixture.uplink.sent.size() == 2);
  const FakeUplink::Sent& sent = fixture.uplink.sent.front();
  CHECK(uuid7_time(sent.id).value() == fixture.clock.wall());
  CHECK(sent.id != fixture.uplink.sent.back().id);
  CHECK(sent.ns == "ssh-agent");
  CHECK(sent.type == EnvelopeType::kRequest);
  CHECK(sent.payload == R"({"operation" : "ping"})");
  CHECK(sent.timestamp == "2026-03-31T15:04:05.000Z");
  CHECK(sent.in_reply_to.empty());
  CHECK_FALSE(sent.has_shed);
  CHECK_FALSE(first.done());
}

TEST_CASE("an answer ends its request with the text as it came") {
  Fixture fixture;
  auto first = fixture.request();
  auto second = fixture.request();
  const std::string text = fixture.answer_to_last("[1 , 2]");
  CHECK(deliver(fixture.half, text));
  CHECK_FALSE(first.done());
  REQUIRE(*second);
  CHECK((*second)->text() == text);
}

TEST_CASE("without a host a request fails at once") {
  Fixture fixture;
  fixture.half.connect(nullptr);
  CHECK_FALSE(fixture.half.connected());
  auto request = fixture.request();
  CHECK(code_of(request) == Errc::kUnavailable);
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("what the uplink refuses fails at once, with its reason") {
  Fixture fixture;
  fixture.uplink.status = fail(Errc::kLimit, "the queue is full");
  auto request = fixture.request();
  CHECK(code_of(request) == Errc::kLimit);
  CHECK((*request).error().text() == "the queue is full");
}

TEST_CASE("a request that waits outlives its connection, and is sent again under the same id") {
  Fixture fixture;
  auto first = fixture.request("1");
  fixture.pass(1ms);
  auto second = fixture.request("2");
  auto answered = fixture.request("3");
  CHECK(deliver(fixture.half, fixture.answer_to_last()));
  fixture.half.connect(nullptr);
  fixture.pass(20s);
  CHECK_FALSE(first.done());
  FakeUplink other;
  fixture.half.connect(&other);
  REQUIRE(other.sent.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const FakeUplink::Sent& before = fixture.uplink.sent[i];
    CHECK(other.sent[i].id == before.id);
    CHECK(other.sent[i].ns == before.ns);
    CHECK(other.sent[i].payload == before.payload);
    CHECK(other.sent[i].timestamp == before.timestamp);
  }
  CHECK(deliver(fixture.half, response_to(other.sent[0].id, "ssh-agent", "1")));
  CHECK((*first).has_value());
  CHECK_FALSE(second.done());
}

TEST_CASE("requests are sent again oldest first, whatever their place in the table is") {
  Fixture fixture;
  auto oldest = fixture.owned_request();
  auto older = fixture.owned_request();
  oldest.reset();
  auto newer = fixture.request();
  const std::string older_id = fixture.uplink.sent[1].id, newer_id = fixture.uplink.sent[2].id;
  FakeUplink other;
  fixture.half.connect(&other);
  REQUIRE(other.sent.size() == 2);
  CHECK(other.sent[0].id == older_id);
  CHECK(other.sent[1].id == newer_id);
}

TEST_CASE("each request keeps the time it has, with a connection or without") {
  Fixture fixture;
  auto request = fixture.request("{}", 30s);
  fixture.pass(10s);
  fixture.half.connect(nullptr);
  fixture.pass(10s);
  SECTION("nobody comes back") {
    fixture.pass(9'999ms);
    CHECK_FALSE(request.done());
    fixture.pass(1ms);
    CHECK(code_of(request) == Errc::kClosed);
    CHECK((*request).error().text() == "the connection to the host was lost and did not come back");
  }
  SECTION("somebody does, and says nothing") {
    FakeUplink other;
    fixture.half.connect(&other);
    fixture.pass(9'999ms);
    CHECK_FALSE(request.done());
    fixture.pass(1ms);
    CHECK(code_of(request) == Errc::kTimeout);
  }
}

TEST_CASE("what the new connection refuses fails with its reason") {
  Fixture fixture;
  auto request = fixture.request();
  FakeUplink other;
  other.status = fail(Errc::kUnavailable, "nobody listens");
  fixture.half.connect(&other);
  CHECK(code_of(request) == Errc::kUnavailable);
  CHECK((*request).error().text() == "nobody listens");
}

TEST_CASE("what the new connection has no room for is sent when it has") {
  Fixture fixture;
  auto first = fixture.request("1");
  auto second = fixture.request("2");
  FakeUplink other;
  other.status = fail(Errc::kLimit, "the queue is full");
  fixture.half.connect(&other);
  CHECK_FALSE(first.done());
  other.status = {};
  fixture.half.send_waiting();
  REQUIRE(other.sent.size() == 2);
  CHECK(other.sent[0].payload == "1");
  fixture.half.send_waiting();
  CHECK(other.sent.size() == 2);
}

TEST_CASE("a host that has forgotten gets the requests again on the same connection") {
  Fixture fixture;
  auto request = fixture.request();
  fixture.half.connect(&fixture.uplink);
  REQUIRE(fixture.uplink.sent.size() == 2);
  CHECK(fixture.uplink.sent[0].id == fixture.uplink.sent[1].id);
}

TEST_CASE("a connection that is back carries requests again") {
  Fixture fixture;
  fixture.half.connect(nullptr);
  FakeUplink other;
  fixture.half.connect(&other);
  CHECK(fixture.half.connected());
  auto request = fixture.request();
  REQUIRE(other.sent.size() == 1);
  CHECK(deliver(fixture.half, response_to(other.sent[0].id, "ssh-agent", "1")));
  CHECK((*request).has_value());
}

TEST_CASE("a request that is not answered ends when its time is over, and a late answer is dropped") {
  Fixture fixture;
  auto request = fixture.request("{}", 30s);
  fixture.pass(29'999ms);
  CHECK_FALSE(request.done());
  fixture.pass(1ms);
  CHECK(code_of(request) == Errc::kTimeout);
  CHECK((*request).error().text() == "no answer within 30s");
  CHECK_FALSE(deliver(fixture.half, fixture.answer_to_last()));
}

TEST_CASE("a second answer is dropped") {
  Fixture fixture;
  auto request = fixture.request();
  CHECK(deliver(fixture.half, fixture.answer_to_last("1")));
  CHECK_FALSE(deliver(fixture.half, fixture.answer_to_last("2")));
  CHECK(member((*request)->text(), "type") == "response");
  CHECK((*request)->text().find("\"payload\":1") != std::string_view::npos);
}

TEST_CASE("what is no answer to the request is dropped, and it waits on") {
  Fixture fixture;
  auto request = fixture.request();
  LogLines log;
  const std::string id = fixture.uplink.sent.back().id;
  CHECK_FALSE(deliver(fixture.half, response_to(id, "aws-credentials", "1")));
  CHECK_FALSE(deliver(fixture.half, response_to("another", "ssh-agent", "1")));
  CHECK_FALSE(
      deliver(fixture.half,
              fmt::format(R"({{"id":"x","namespace":"ssh-agent","type":"event","in_reply_to":"{}"}})", id)));
  CHECK_FALSE(deliver(fixture.half, R"({"id":"x","namespace":"ssh-agent","type":"response"})"));
  CHECK_FALSE(request.done());
  CHECK(deliver(fixture.half, fixture.answer_to_last()));
  CHECK((*request).has_value());
}

TEST_CASE("a request that will not be answered fails with the reason") {
  Fixture fixture;
  auto request = fixture.request();
  fixture.half.lose("another", Error(Errc::kClosed, "gone"));
  CHECK_FALSE(request.done());
  fixture.half.lose(fixture.uplink.sent.back().id, Error(Errc::kClosed, "gone"));
  CHECK(code_of(request) == Errc::kClosed);
  CHECK((*request).error().text() == "gone");
}

TEST_CASE("so many requests wait at a time, and the next is refused at once") {
  Fixture fixture;
  std::vector<std::unique_ptr<RunningRequest>> waiting;
  for (std::size_t i = 0; i < GuestHalf::kMaxInFlight; ++i) waiting.push_back(fixture.owned_request());
  auto refused = fixture.request();
  CHECK(code_of(refused) == Errc::kLimit);
  CHECK((*refused).error().text() == "256 requests wait already");
  CHECK(fixture.uplink.sent.size() == GuestHalf::kMaxInFlight);
  SECTION("until one was dropped") { waiting.pop_back(); }
  SECTION("until one was answered and read") {
    CHECK(deliver(fixture.half, fixture.answer_to_last()));
    REQUIRE(waiting.back()->done());
    waiting.pop_back();
  }
  auto next = fixture.request();
  CHECK_FALSE(next.done());
}

TEST_CASE("so many bytes wait at a time, and what would be more is refused at once") {
  Fixture fixture;
  const std::string half(GuestHalf::kMaxWaitingBytes / 2, 'x');
  auto first = fixture.request(half);
  auto second = fixture.request(half);
  auto refused = fixture.request("1");
  CHECK(code_of(refused) == Errc::kLimit);
  CHECK((*refused).error().text() == "requests with 1048576 bytes wait already");
  CHECK(fixture.uplink.sent.size() == 2);
  SECTION("until one was dropped") { second.drop(); }
  SECTION("until one was answered") { CHECK(deliver(fixture.half, fixture.answer_to_last())); }
  SECTION("until one was lost") {
    fixture.half.lose(fixture.uplink.sent.back().id, Error(Errc::kClosed, "gone"));
  }
  auto next = fixture.request(half);
  CHECK_FALSE(next.done());
}

TEST_CASE("a refusal of the host half ends the request with its kind and its text") {
  Fixture fixture;
  const auto [word, code] = GENERATE(table<std::string, Errc>(
      {{"unavailable", Errc::kUnavailable}, {"limit", Errc::kLimit}, {"closed", Errc::kClosed}}));
  auto request = fixture.request();
  CHECK(deliver(fixture.half,
                fmt::format(R"({{"id":"x","namespace":"ssh-agent","type":"response","in_reply_to":"{}",)"
                            R"("payload":{{"error":"no \"room\"","code":"INTERNAL_ERROR"}},"refusal":"{}"}})",
                            fixture.uplink.sent.back().id, word)));
  CHECK(code_of(request) == code);
  CHECK((*request).error().text() == "no \"room\"");
}

TEST_CASE("a refusal without a text has one, and a word that nobody knows is an ordinary answer") {
  Fixture fixture;
  auto request = fixture.request();
  const auto refusal = [&](std::string_view word) {
    return fmt::format(
        R"({{"id":"x","namespace":"ssh-agent","type":"response","in_reply_to":"{}","payload":7,"refusal":"{}"}})",
        fixture.uplink.sent.back().id, word);
  };
  SECTION("no text") {
    CHECK(deliver(fixture.half, refusal("closed")));
    CHECK(code_of(request) == Errc::kClosed);
    CHECK((*request).error().text() == "the host refused the request");
  }
  SECTION("unknown") {
    CHECK(deliver(fixture.half, refusal("perhaps")));
    CHECK((*request).has_value());
  }
}

TEST_CASE("what is dropped is counted by its cause, and said once a minute") {
  Fixture fixture;
  LogLines log;
  auto late = fixture.request("{}", 1s);
  const std::string late_answer = fixture.answer_to_last();
  fixture.pass(1s);
  CHECK(code_of(late) == Errc::kTimeout);
  auto answered = fixture.request();
  const std::string answer = fixture.answer_to_last();
  CHECK(deliver(fixture.half, answer));
  auto waiting = fixture.request("{}", 120s);
  const std::string mismatched = response_to(fixture.uplink.sent.back().id, "aws-credentials", "1");
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(deliver(fixture.half, late_answer));
    CHECK_FALSE(deliver(fixture.half, answer));
    CHECK_FALSE(deliver(fixture.half, mismatched));
    CHECK_FALSE(deliver(fixture.half, response_to("0192b3a4-0000-7000-8000-000000000001", "n", "1")));
  }
  const GuestHalf::Dropped& dropped = fixture.half.dropped();
  CHECK(dropped.late == 3);
  CHECK(dropped.duplicate == 3);
  CHECK(dropped.mismatched == 3);
  CHECK(dropped.unasked == 3);
  CHECK(log.warnings.size() == 4);
  CHECK(log.count("too late") == 1);
  CHECK(log.count("second answer") == 1);
  CHECK(log.count("does not fit") == 1);
  CHECK(log.count("nobody asked") == 1);
  fixture.pass(60s);
  CHECK_FALSE(deliver(fixture.half, answer));
  CHECK(log.count("second answer to a request was dropped (2 more like this were left out)") == 1);
  CHECK_FALSE(waiting.done());
}

TEST_CASE("everybody who waits can be told at once") {
  Fixture fixture;
  auto first = fixture.request();
  auto second = fixture.request();
  fixture.half.lose_all(Error(Errc::kClosed, "the bus is stopping"));
  CHECK(code_of(first) == Errc::kClosed);
  CHECK((*second).error().text() == "the bus is stopping");
}

TEST_CASE("a request that was dropped is not answered") {
  Fixture fixture;
  auto request = fixture.request();
  request.drop();
  CHECK_FALSE(deliver(fixture.half, fixture.answer_to_last()));
}

TEST_CASE("the failure of a dropped request does not reach the next one") {
  Fixture fixture;
  auto first = fixture.owned_request();
  fixture.half.lose(fixture.uplink.sent.back().id, Error(Errc::kClosed, "gone"));
  first.reset();  // before it saw its failure
  auto second = fixture.request();
  CHECK(deliver(fixture.half, fixture.answer_to_last()));
  CHECK((*second).has_value());
}

TEST_CASE("the answer of a dropped request does not reach the next one") {
  Fixture fixture;
  auto first = fixture.owned_request();
  CHECK(deliver(fixture.half, fixture.answer_to_last("\"first\"")));
  first.reset();
  auto second = fixture.request();
  CHECK_FALSE(second.done());
  CHECK(deliver(fixture.half, fixture.answer_to_last("\"second\"")));
  CHECK(member((*second)->text(), "payload") == "second");
}

TEST_CASE("an event goes up and nobody waits") {
  Fixture fixture;
  CHECK(fixture.half.publish_event("ssh-agent", "[1]"));
  REQUIRE(fixture.uplink.sent.size() == 1);
  CHECK(fixture.uplink.sent[0].type == EnvelopeType::kEvent);
  CHECK(fixture.uplink.sent[0].payload == "[1]");
  CHECK_FALSE(deliver(fixture.half, fixture.answer_to_last()));
}

TEST_CASE("an event fails where a request would") {
  Fixture fixture;
  fixture.uplink.status = fail(Errc::kUnavailable, "nobody listens");
  CHECK(fixture.half.publish_event("n", "1").error().text() == "nobody listens");
  fixture.half.connect(nullptr);
  CHECK(fixture.half.publish_event("n", "1").error().code() == Errc::kUnavailable);
}

}  // namespace
}  // namespace shed::bus
