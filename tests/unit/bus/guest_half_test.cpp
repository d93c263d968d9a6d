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

TEST_CASE("when the connection is lost, everybody who waits is told") {
  Fixture fixture;
  auto first = fixture.request();
  auto second = fixture.request();
  fixture.half.connect(nullptr);
  CHECK(code_of(first) == Errc::kClosed);
  CHECK(code_of(second) == Errc::kClosed);
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
