#include "frame_uplink_fixture.h"

namespace shed::bus {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a greeting is answered on its connection, and a heartbeat follows at once") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect();
  fixture.pass(3s);
  CHECK_FALSE(fixture.half.connected());
  host.send(greeting());
  const auto frames = frames_in(host.received());
  REQUIRE(frames.size() == 2);
  CHECK(member(frames[0], "type") == "response");
  CHECK(member(frames[0], "namespace") == "system:health");
  CHECK(member(frames[0], "in_reply_to") == kGreetingId);
  CHECK(frames[0].find(R"("payload":null)") != std::string::npos);
  CHECK(uuid7_time(member(frames[0], "id")).value() == fixture.clock.wall());
  CHECK(member(frames[1], "type") == "event");
  CHECK(member(frames[1], "namespace") == "system:health");
  CHECK(frames[1].find(R"("payload":{"started_at":"2026-03-31T15:04:05Z"})") != std::string::npos);
  CHECK(fixture.half.connected());
}

TEST_CASE("the heart beats at a fixed interval with the time at which the process began") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  for (int i = 0; i < 3; ++i) {
    fixture.pass(kHeartbeatInterval - 1ms);
    CHECK(host.received().empty());
    fixture.pass(1ms);
    const auto frames = frames_in(host.received());
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].find(R"("started_at":"2026-03-31T15:04:05Z")") != std::string::npos);
  }
}

TEST_CASE("a request goes to the host that has greeted, and its answer comes back") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  auto request = fixture.request(R"({"operation":"ping"})");
  const auto frames = frames_in(host.received());
  REQUIRE(frames.size() == 1);
  CHECK(member(frames[0], "namespace") == "ssh-agent");
  host.send(answer_frame(frames[0], R"("yes")"));
  REQUIRE((*request).has_value());
  CHECK(member((*request)->text(), "payload") == "yes");
}

TEST_CASE("a connection that does not greet is dropped after the limit") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect();
  fixture.pass(kGreetingLimit - 1ms);
  CHECK_FALSE(host.ended());
  fixture.pass(1ms);
  CHECK(host.ended());
  CHECK(fixture.uplink.counters().refused == 1);
  CHECK(fixture.log.count("it does not greet") == 1);
}

TEST_CASE("what begins with something else than a greeting is dropped") {
  UplinkFixture fixture;
  const std::string first = GENERATE(as<std::string>{}, "not JSON at all", "{}", "[]",
                                     R"({"id":"x","namespace":"ssh-agent","type":"request","payload":{}})",
                                     R"({"id":"x","namespace":"system:health","type":"response"})",
                                     R"({"id":"x","namespace":"system:health","type":"event"})",
                                     R"({"namespace":"system:health","type":"request"})");
  net::Peer host = fixture.connect();
  host.send(frame_text(first));
  CHECK(host.received().empty());
  CHECK(host.ended());
  CHECK_FALSE(fixture.half.connected());
  CHECK(fixture.log.warnings.size() == 1);
}

TEST_CASE("with a token, a greeting without the right one is dropped, and said") {
  UplinkFixture fixture("the-right-token-1");
  const std::string payload =
      GENERATE(as<std::string>{}, "null", "{}", R"({"token":"the-right-token-2"})", R"({"token":""})",
               R"({"token":7})", R"("the-right-token-1")", R"({"token":"the-right-token-"})");
  net::Peer host = fixture.connect();
  host.send(greeting(payload));
  CHECK(host.received().empty());
  CHECK(host.ended());
  CHECK_FALSE(fixture.half.connected());
  CHECK(fixture.log.count("token") == 1);
  CHECK(fixture.log.count("the-right-token") == 0);
}

TEST_CASE("with a token, the right one is let in") {
  UplinkFixture fixture("the-right-token-1");
  net::Peer host = fixture.connect();
  host.send(greeting(R"({"token":"the-right-token-1"})"));
  CHECK(frames_in(host.received()).size() == 2);
  CHECK(fixture.half.connected());
}

TEST_CASE("the wrong token on a connection that has greeted ends it") {
  UplinkFixture fixture("the-right-token-1");
  net::Peer host = fixture.connect();
  host.send(greeting(R"({"token":"the-right-token-1"})"));
  host.send(greeting(R"({"token":"the-right-token-2"})"));
  CHECK(host.ended());
  CHECK_FALSE(fixture.half.connected());
}

TEST_CASE("a newer connection takes over, and the end of the older one disturbs nobody") {
  UplinkFixture fixture;
  net::Peer older = fixture.connect_and_greet();
  net::Peer newer = fixture.connect_and_greet();
  CHECK(older.ended());
  older.reset();
  CHECK(fixture.half.connected());
  auto request = fixture.request();
  const auto frames = frames_in(newer.received());
  REQUIRE(frames.size() == 1);
  newer.send(answer_frame(frames[0]));
  CHECK((*request).has_value());
}

TEST_CASE("a newer connection that has not greeted takes nothing over") {
  UplinkFixture fixture;
  net::Peer older = fixture.connect_and_greet();
  net::Peer newer = fixture.connect();
  newer.send(frame_text("garbage"));
  CHECK(newer.ended());
  CHECK_FALSE(older.ended());
  CHECK(fixture.half.connected());
}

TEST_CASE("an answer on a connection that was taken over is not taken") {
  UplinkFixture fixture;
  net::Peer older = fixture.connect_and_greet();
  auto request = fixture.request();
  const auto frames = frames_in(older.received());
  REQUIRE(frames.size() == 1);
  net::Peer newer = fixture.connect();
  newer.send(greeting());
  older.send(answer_frame(frames[0]));
  CHECK_FALSE(request.done());
  CHECK(frames_in(newer.received()).size() == 3);
  newer.send(answer_frame(frames[0]));
  CHECK((*request).has_value());
}

TEST_CASE("requests in flight are sent again when a host is back, and each is answered once") {
  UplinkFixture fixture;
  auto host = std::make_unique<net::Peer>(fixture.connect_and_greet());
  auto first = fixture.request("1");
  auto second = fixture.request("2");
  const auto before = frames_in(host->received());
  host->close();
  host.reset();
  CHECK_FALSE(fixture.half.connected());
  CHECK(fixture.log.count("a host is gone: it closed the connection") == 1);
  fixture.pass(5s);
  net::Peer back = fixture.connect();
  back.send(greeting());
  const auto frames = frames_in(back.received());
  REQUIRE(frames.size() == 4);
  CHECK(frames[2] == before[0]);
  CHECK(frames[3] == before[1]);
  back.send(answer_frame(frames[3]) + answer_frame(frames[2]));
  CHECK((*first).has_value());
  CHECK((*second).has_value());
  back.send(answer_frame(frames[2]));
  CHECK(fixture.half.dropped().duplicate == 1);
}

TEST_CASE("a host that greets again on the same line gets everything anew") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  auto request = fixture.request();
  const auto before = frames_in(host.received());
  host.send(greeting("null", "0192b3a4-0000-7000-8000-00000000cafe"));
  const auto frames = frames_in(host.received());
  REQUIRE(frames.size() == 3);
  CHECK(member(frames[0], "in_reply_to") == "0192b3a4-0000-7000-8000-00000000cafe");
  CHECK(member(frames[1], "type") == "event");
  CHECK(frames[2] == before.at(0));
  fixture.pass(kHeartbeatInterval);
  CHECK(frames_in(host.received()).size() == 1);
  host.send(answer_frame(frames[2]));
  CHECK((*request).has_value());
}

TEST_CASE("a full table of requests is sent again in one go") {
  UplinkFixture fixture;
  auto host = std::make_unique<net::Peer>(fixture.connect_and_greet());
  const std::string payload = "\"" + std::string(4090, 'x') + "\"";
  std::vector<std::unique_ptr<net::Running<Result<GuestHalf::Reply>>>> requests;
  for (std::size_t i = 0; i < GuestHalf::kMaxInFlight; ++i) {
    requests.push_back(std::make_unique<net::Running<Result<GuestHalf::Reply>>>(
        fixture.loop, fixture.half.request("ssh-agent", payload, 30s)));
    REQUIRE_FALSE(requests.back()->done());
    (void)host->received();
  }
  host->close();
  net::Peer back = fixture.connect();
  back.send(greeting());
  CHECK(frames_in(back.received()).size() == 2 + GuestHalf::kMaxInFlight);
}

TEST_CASE("what is not usable is dropped, counted and said once a minute, and the link goes on") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  auto request = fixture.request();
  const auto frames = frames_in(host.received());
  const std::string id = member(frames.at(0), "id");
  const auto [text, said] = GENERATE_COPY(table<std::string, std::string>(
      {{"not JSON", "no envelope"},
       {"{\"id\":", "no envelope"},
       {R"({"namespace":"ssh-agent","type":"response"})", "no envelope"},
       {fmt::format(R"({{"namespace":"ssh-agent","type":"response","in_reply_to":"{}"}})", id),
        "no envelope"},
       {R"({"id":"x","namespace":"ssh-agent","type":"request","payload":{}})", "a request from the host"},
       {fmt::format(R"({{"id":"x","namespace":"ssh-agent","type":"event","in_reply_to":"{}"}})", id),
        "an event from the host"},
       {R"({"id":"x","namespace":"system:other","type":"request"})", "a request from the host"},
       {fmt::format(R"({{"id":"x","namespace":"system:health","type":"response","in_reply_to":"{}"}})", id),
        "a namespace of the bus"}}));
  const std::string wanted = said == "an event from the host" ? "event from the host" : said;
  for (int i = 0; i < 3; ++i) host.send(frame_text(text));
  CHECK(fixture.uplink.counters().unusable == 3);
  CHECK(fixture.log.count(wanted) == 1);
  CHECK_FALSE(request.done());
  host.send(answer_frame(frames[0]));
  CHECK((*request).has_value());
}

TEST_CASE("answers to nothing are dropped, and the link goes on") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  auto request = fixture.request();
  const auto frames = frames_in(host.received());
  const std::string id = member(frames.at(0), "id");
  host.send(frame_text(response_to("0192b3a4-0000-7000-8000-000000000001", "ssh-agent", "1")));
  host.send(frame_text(response_to(id, "aws-credentials", "1")));
  CHECK(fixture.half.dropped().unasked == 1);
  CHECK(fixture.half.dropped().mismatched == 1);
  host.send(answer_frame(frames[0]) + answer_frame(frames[0]));
  CHECK((*request).has_value());
  CHECK(fixture.half.dropped().duplicate == 1);
  auto late = fixture.request("{}", 1s);
  const auto more = frames_in(host.received());
  fixture.pass(1s);
  REQUIRE(late.done());
  host.send(answer_frame(more.at(0)));
  CHECK(fixture.half.dropped().late == 1);
  CHECK(fixture.half.connected());
}

TEST_CASE("a frame over the limit and half a frame end the link, and requests wait on") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect_and_greet();
  auto request = fixture.request();
  SECTION("too long") { host.send(std::string_view("\x20\x01\x00\x00\x01", 5)); }
  SECTION("half a frame, and then nothing") {
    host.send(frame_text("{}").substr(0, 6));
    fixture.pass(FrameLink::kStallLimit);
  }
  SECTION("half a frame, and the end") {
    host.send(frame_text("{}").substr(0, 6));
    host.close();
  }
  CHECK(host.ended());
  CHECK_FALSE(fixture.half.connected());
  CHECK_FALSE(request.done());
  net::Peer back = fixture.connect();
  back.send(greeting());
  CHECK(frames_in(back.received()).size() == 3);
}

TEST_CASE("half a greeting and then nothing is dropped after the limit") {
  UplinkFixture fixture;
  net::Peer host = fixture.connect();
  host.send(greeting().substr(0, 20));
  fixture.pass(kGreetingLimit);
  CHECK(host.ended());
}

TEST_CASE("a flood of connections that do not greet does not lock the host out") {
  UplinkFixture fixture;
  net::Peer live = fixture.connect_and_greet();
  std::vector<net::Peer> flood;
  for (std::size_t i = 0; i < FrameUplink::kMaxGreeting; ++i) flood.push_back(fixture.connect());
  CHECK_FALSE(flood.front().ended());
  net::Peer host = fixture.connect();
  CHECK(flood[0].ended());
  CHECK_FALSE(flood[1].ended());
  CHECK_FALSE(live.ended());
  for (int i = 0; i < 5; ++i) flood.push_back(fixture.connect());
  CHECK(fixture.uplink.counters().flooded == 6);
  CHECK(fixture.log.count("16 connections have not greeted") == 1);
  host.send(greeting());
  CHECK(frames_in(host.received()).size() == 2);
  CHECK(live.ended());
}

TEST_CASE("a connection that the opener refuses is dropped, with its reason") {
  UplinkFixture fixture;
  auto listener = net::Listener::open(fixture.loop, net::unix_at(fixture.folder / "other.sock"));
  REQUIRE(listener);
  async::Scope tasks(fixture.loop);
  const auto refuse = [](async::Stream) -> FrameUplink::Opening {
    co_return fail(Errc::kRefused, "not the host");
  };
  tasks.spawn(fixture.uplink.serve(listener->acceptor(), refuse));
  net::Peer host(fixture.loop, fixture.folder / "other.sock");
  CHECK(host.ended());
  CHECK(fixture.log.count("a connection was dropped: not the host") == 1);
  tasks.cancel();
}

TEST_CASE("an opener that takes for ever is ended with the time for greeting") {
  UplinkFixture fixture;
  auto listener = net::Listener::open(fixture.loop, net::unix_at(fixture.folder / "other.sock"));
  REQUIRE(listener);
  async::Event never(fixture.loop);
  async::Scope tasks(fixture.loop);
  const auto wait = [&never](async::Stream stream) {
    const auto run = [](async::Stream kept, async::Event& event) -> FrameUplink::Opening {
      co_await event.wait();
      co_return net::plain_channel(std::move(kept));
    };
    return run(std::move(stream), never);
  };
  tasks.spawn(fixture.uplink.serve(listener->acceptor(), wait));
  net::Peer host(fixture.loop, fixture.folder / "other.sock");
  fixture.pass(kGreetingLimit - 1ms);
  CHECK_FALSE(host.ended());
  fixture.pass(1ms);
  CHECK(host.ended());
  tasks.cancel();
}

TEST_CASE("the end of the uplink leaves nothing behind") {
  FakeClock clock;
  async::Loop loop{clock};
  GuestHalf half(loop);
  net::TemporaryFolder folder;
  auto listener = net::Listener::open(loop, net::unix_at(folder / "frames.sock"));
  REQUIRE(listener);
  LogLines log;
  {
    FrameUplink uplink(loop, half, Secret());
    async::Scope tasks(loop);
    tasks.spawn(uplink.serve(listener->acceptor(), open_plain));
    net::Peer host(loop, folder / "frames.sock");
    host.send(greeting());
    CHECK(half.connected());
    tasks.cancel();
  }
  CHECK_FALSE(half.connected());
}

}  // namespace
}  // namespace shed::bus
