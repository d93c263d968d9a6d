#include "frame_uplink_fixture.h"

namespace shed::bus {
namespace {

using namespace std::chrono_literals;

// A serial device: each opening is a new pair of descriptors, of which the test has the other end.
class Device {
 public:
  explicit Device(async::Loop& loop) : loop_(loop) {}
  FrameUplink::DeviceOpener opener() {
    return [this]() -> Result<std::unique_ptr<net::Channel>> {
      ++openings;
      if (is_missing) return fail(Errc::kNotFound, "/dev/virtio-ports/shed: no such file");
      auto [ours, theirs] = connection();
      peer.emplace(loop_, std::move(theirs));
      return net::plain_channel(async::Stream(loop_, std::move(ours)));
    };
  }
  std::optional<net::Peer> peer;
  int openings = 0;
  bool is_missing = false;

 private:
  async::Loop& loop_;
};

TEST_CASE("a device that ends is opened again after a pause, without a line each time") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  CHECK(device.openings == 1);
  for (int i = 2; i < 10; ++i) {
    device.peer->reset();
    CHECK(device.openings == i - 1);
    fixture.pass(FrameUplink::kReopenPause - 1ms);
    CHECK(device.openings == i - 1);
    fixture.pass(1ms);
    CHECK(device.openings == i);
  }
  CHECK(fixture.log.lines.empty());
  device.peer->send(greeting());
  CHECK(frames_in(device.peer->received()).size() == 3);
  CHECK(fixture.half.connected());
}

TEST_CASE("on a device a guest says first that nobody has greeted it") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  const auto frames = frames_in(device.peer->received());
  REQUIRE(frames.size() == 1);
  CHECK(member(frames[0], "namespace") == "system:health");
  CHECK(member(frames[0], "type") == "event");
  CHECK(frames[0].find(R"("greeted":false)") != std::string::npos);
  CHECK(frames[0].find("started_at") != std::string::npos);
  device.peer->send(greeting());
  for (const std::string& later : frames_in(device.peer->received())) {
    CHECK(later.find("greeted") == std::string::npos);
  }
}

TEST_CASE("a device that is missing is said once a minute, and used when it is there") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  device.is_missing = true;
  fixture.serve_device(device.opener());
  for (int i = 0; i < 10; ++i) fixture.pass(FrameUplink::kReopenPause);
  CHECK(device.openings == 11);
  CHECK(fixture.log.count("/dev/virtio-ports/shed: no such file") == 1);
  device.is_missing = false;
  fixture.pass(FrameUplink::kReopenPause);
  REQUIRE(device.peer);
  device.peer->send(greeting());
  CHECK(fixture.half.connected());
}

TEST_CASE("a device waits for a host as long as nothing comes") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  fixture.pass(std::chrono::hours(48));
  CHECK(device.openings == 1);
  device.peer->send(greeting());
  CHECK(fixture.half.connected());
}

TEST_CASE("messages of an earlier session before the greeting are passed over on a device") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  device.peer->send(frame_text(response_to("0192b3a4-0000-7000-8000-000000000001", "ssh-agent", "1")));
  device.peer->send(greeting());
  CHECK(fixture.half.connected());
  CHECK(fixture.uplink.counters().unusable == 1);
  CHECK(device.openings == 1);
}

TEST_CASE("garbage on a device ends in a new opening, and the host is back with its next greeting") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  SECTION("that swallows the greeting") {
    device.peer->send(std::string_view("\x99\x00\x10\x00\x00rest", 9));
    device.peer->send(greeting());
    CHECK_FALSE(fixture.half.connected());
    fixture.pass(FrameUplink::kDeviceGreetingLimit);
  }
  SECTION("with a length over the limit") { device.peer->send("\x7f\x45\x4c\x46 and more"); }
  SECTION("in a frame") { device.peer->send(frame_text("garbage")); }
  CHECK(device.openings == 1);
  fixture.pass(FrameUplink::kReopenPause);
  REQUIRE(device.openings == 2);
  device.peer->send(greeting());
  CHECK(fixture.half.connected());
}

TEST_CASE("a host that dies in mid-frame on a device and greets anew gets the requests again") {
  UplinkFixture fixture;
  Device device(fixture.loop);
  fixture.serve_device(device.opener());
  device.peer->send(greeting());
  auto request = fixture.request();
  const auto frames = frames_in(device.peer->received());
  REQUIRE(frames.size() == 4);
  device.peer->send(answer_frame(frames[3]).substr(0, 40));
  // The rest of the answer is filled from the greeting, which is no envelope then.
  device.peer->send(greeting() + greeting());
  CHECK_FALSE(fixture.half.connected());
  fixture.pass(FrameUplink::kReopenPause);
  device.peer->send(greeting());
  const auto again = frames_in(device.peer->received());
  REQUIRE(again.size() == 4);
  CHECK(again[3] == frames[3]);
  device.peer->send(answer_frame(again[3]));
  CHECK((*request).has_value());
}

}  // namespace
}  // namespace shed::bus
