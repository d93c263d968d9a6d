#include "shed/bus/frame_link.h"

#include "link_fixture.h"

namespace shed::bus {
namespace {

Envelope request(std::string_view payload) {
  Envelope envelope;
  envelope.id = "0192b3a4-0000-7000-8000-000000000001";
  envelope.ns = "ssh-agent";
  envelope.payload = payload;
  return envelope;
}

bool ended_with(const TestLink& test, Errc code, std::string_view text) {
  return test.ended && !test.ended->has_value() && test.ended->error().code() == code &&
         test.ended->error().text().find(text) != std::string::npos;
}

TEST_CASE("envelopes come in the order in which they were sent") {
  TestLink test;
  test.peer.send(frame_text("{\"a\":1}") + frame_text("{\"b\":2}"));
  CHECK(test.sink.taken == std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"});
  CHECK_FALSE(test.ended.has_value());
}

TEST_CASE("an envelope that comes byte by byte is one envelope") {
  TestLink test;
  for (const char byte : frame_text("{\"a\":1}")) {
    CHECK(test.sink.taken.empty());
    test.peer.send({&byte, 1});
  }
  CHECK(test.sink.taken == std::vector<std::string>{"{\"a\":1}"});
}

TEST_CASE("what is sent arrives as frames, an answer as the bytes that it was given as") {
  TestLink test;
  REQUIRE(test.link.send(request("{\"operation\":\"list\"}")));
  REQUIRE(test.link.send_text("{ \"verbatim\" : true }"));
  test.loop.poll();
  const auto frames = frames_in(test.peer.received());
  REQUIRE(frames.size() == 2);
  CHECK(member(frames[0], "namespace") == "ssh-agent");
  CHECK(frames[1] == "{ \"verbatim\" : true }");
  CHECK(test.link.queued() == 0);
}

TEST_CASE("a frame of another type is passed over, and said once a minute") {
  LogLines log;
  TestLink test;
  test.peer.send(frame_text("whatever", 0x42) + frame_text("more", 0x42) + frame_text("{}"));
  CHECK(test.sink.taken == std::vector<std::string>{"{}"});
  CHECK(log.count("a frame of unknown type 0x42 was passed over") == 1);
  CHECK_FALSE(test.ended.has_value());
}

TEST_CASE("a length over the limit ends the link") {
  TestLink test;
  test.peer.send(std::string_view("\x20\x01\x00\x00\x01", 5));
  CHECK(ended_with(test, Errc::kLimit, "16777217"));
}

TEST_CASE("the end between two frames is an end, inside of one it is a loss") {
  SECTION("between") {
    TestLink test;
    test.peer.send(frame_text("{}"));
    test.peer.close();
    REQUIRE(test.ended.has_value());
    CHECK(test.ended->has_value());
  }
  SECTION("inside") {
    TestLink test;
    test.peer.send(frame_text("{}").substr(0, 6));
    test.peer.close();
    CHECK(ended_with(test, Errc::kClosed, "inside a frame"));
    CHECK(test.sink.taken.empty());
  }
}

TEST_CASE("half a frame and then silence ends the link, also where a longer silence is allowed") {
  TestLink test;
  test.link.expect_within(60s);
  test.peer.send(frame_text("{}").substr(0, 6));
  test.pass(FrameLink::kStallLimit - 1ms);
  CHECK_FALSE(test.ended.has_value());
  test.pass(1ms);
  CHECK(ended_with(test, Errc::kTimeout, "half a frame came, and then nothing for 10s"));
}

TEST_CASE("a frame that comes slowly but steadily is waited for") {
  TestLink test;
  for (const char byte : frame_text("{\"a\":1}")) {
    test.peer.send({&byte, 1});
    test.pass(FrameLink::kStallLimit - 1ms);
  }
  CHECK(test.sink.taken.size() == 1);
  CHECK_FALSE(test.ended.has_value());
}

TEST_CASE("a link without frames ends when the silence is too long, and each frame starts it anew") {
  TestLink test;
  test.link.expect_within(45s);
  test.pass(44s);
  test.peer.send(frame_text("{}"));
  test.pass(44s);
  CHECK_FALSE(test.ended.has_value());
  test.pass(1s);
  CHECK(ended_with(test, Errc::kTimeout, "nothing came for 45s"));
}

TEST_CASE("a peer that dribbles bytes without ever ending a frame is not alive") {
  TestLink test;
  test.link.expect_within(45s);
  test.peer.send(std::string_view("\x20\x00\x00\x10\x00", 5));
  for (int i = 0; i < 9 && !test.ended; ++i) {
    test.pass(5s);
    test.peer.send("x");
  }
  CHECK(ended_with(test, Errc::kTimeout, "nothing came for 45s"));
}

TEST_CASE("a link that nobody expects anything of waits for ever") {
  TestLink test;
  test.pass(std::chrono::hours(48));
  CHECK_FALSE(test.ended.has_value());
}

TEST_CASE("the sink's error ends the link, and nothing is taken after it") {
  TestLink test;
  test.sink.answer = fail(Errc::kProtocol, "not a greeting");
  test.peer.send(frame_text("{\"a\":1}") + frame_text("{\"b\":2}"));
  CHECK(test.sink.taken.size() == 1);
  CHECK(ended_with(test, Errc::kProtocol, "not a greeting"));
}

TEST_CASE("a link can be ended from outside, and takes nothing more to send") {
  TestLink test;
  test.link.end(Error(Errc::kClosed, "a newer connection took over"));
  test.loop.poll();
  CHECK(ended_with(test, Errc::kClosed, "took over"));
  const Status sent = test.link.send_text("{}");
  REQUIRE(!sent);
  CHECK(sent.error().code() == Errc::kClosed);
}

TEST_CASE("a peer that does not read is refused more than the queue holds, and dropped in the end") {
  TestLink test;
  const std::string part(256 * 1024, 'x');
  Status sent;
  std::size_t taken = 0;
  while (sent && taken < 100) {
    sent = test.link.send_text(part);
    test.loop.poll();
    if (sent) ++taken;
  }
  REQUIRE(!sent);
  CHECK(sent.error().code() == Errc::kLimit);
  CHECK(test.link.queued() <= FrameLink::kMaxQueued);
  CHECK_FALSE(test.ended.has_value());
  test.pass(FrameLink::kWriteLimit);
  CHECK(ended_with(test, Errc::kTimeout, "send"));
}

TEST_CASE("one message of any size is taken when nothing waits") {
  TestLink test;
  REQUIRE(test.link.send_text(std::string(2 * FrameLink::kMaxQueued, 'x')));
  const Status second = test.link.send_text("{}");
  REQUIRE(!second);
  CHECK(second.error().code() == Errc::kLimit);
}

}  // namespace
}  // namespace shed::bus
