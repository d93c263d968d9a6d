// A guest half, and hosts that the test plays.
#pragma once

#include "link_fixture.h"
#include "shed/bus/frame_uplink.h"

namespace shed::bus {

inline constexpr std::string_view kGreetingId = "0192b3a4-0000-7000-8000-00000000beef";

inline std::string greeting(std::string_view payload = "null", std::string_view id = kGreetingId) {
  return frame_text(fmt::format(
      R"({{"id":"{}","namespace":"system:health","type":"request","final":true,"timestamp":"2026-01-01T00:00:00Z","payload":{}}})",
      id, payload));
}

// A guest half on a socket, to which the test connects as the host half.
class UplinkFixture {
 public:
  explicit UplinkFixture(std::string_view token = "") : uplink(loop, half, Secret(token)), tasks_(loop) {
    auto listener = net::Listener::open(loop, net::unix_at(folder / "frames.sock"));
    REQUIRE(listener);
    listener_.emplace(std::move(*listener));
    tasks_.spawn(uplink.serve(listener_->acceptor(), open_plain));
    loop.poll();
  }
  ~UplinkFixture() { tasks_.cancel(); }

  net::Peer connect() { return net::Peer(loop, folder / "frames.sock"); }
  net::Peer connect_and_greet() {
    net::Peer host = connect();
    host.send(greeting());
    CHECK(frames_in(host.received()).size() == 2);
    return host;
  }
  net::Running<Result<GuestHalf::Reply>> request(std::string_view payload = "{}",
                                                 Millis limit = Millis(30'000)) {
    return net::Running<Result<GuestHalf::Reply>>(loop, half.request("ssh-agent", payload, limit));
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  void serve_device(FrameUplink::DeviceOpener open) {
    tasks_.spawn(uplink.serve_device(std::move(open)));
    loop.poll();
  }

  LogLines log;
  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  GuestHalf half{loop};
  FrameUplink uplink;

 private:
  std::optional<net::Listener> listener_;
  async::Scope tasks_;
};

inline std::string answer_frame(std::string_view request, std::string_view payload = "1") {
  return frame_text(response_to(member(request, "id"), member(request, "namespace"), payload));
}

}  // namespace shed::bus
