// A FrameLink whose peer is a plain descriptor of the test.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "bus_fixture.h"
#include "shed/bus/frame_link.h"

namespace shed::bus {

inline std::string frame_text(std::string_view payload, std::uint8_t type = kEnvelopeFrame) {
  Buffer out;
  REQUIRE(append_frame(out, type, payload));
  return std::string(out.view());
}

// The payloads of the envelope frames in `bytes`, which must be whole frames.
inline std::vector<std::string> frames_in(std::string_view bytes) {
  FrameReader reader;
  std::vector<std::string> payloads;
  for (;;) {
    for (;;) {
      const auto frame = reader.next();
      REQUIRE(frame);
      if (!*frame) break;
      payloads.emplace_back((*frame)->payload);
    }
    if (bytes.empty()) break;
    const auto room = reader.spare();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::ranges::copy(bytes.substr(0, count), room.begin());
    reader.commit(count);
    bytes.remove_prefix(count);
  }
  REQUIRE(reader.at_boundary());
  return payloads;
}

// Two ends of one connection: the first for a Stream, the second for the test.
inline std::pair<UniqueFd, UniqueFd> connection() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Takes envelopes as a link's owner does, or refuses.
class RecordingSink : public FrameSink {
 public:
  Status take(std::string_view text) override {
    taken.emplace_back(text);
    return answer;
  }
  std::vector<std::string> taken;
  Status answer;
};

// A link that runs on a loop whose clock stands still.
class TestLink {
 public:
  TestLink() : TestLink(connection()) {}
  ~TestLink() { tasks_.cancel(); }

  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  // How it ended; nothing while it runs.
  std::optional<Status> ended;

  FakeClock clock;
  async::Loop loop{clock};
  log::Limiter limiter{clock};
  net::Peer peer;
  FrameLink link;
  RecordingSink sink;

 private:
  explicit TestLink(std::pair<UniqueFd, UniqueFd> ends)
      : peer(loop, std::move(ends.second)),
        link(loop, net::plain_channel(async::Stream(loop, std::move(ends.first))), limiter),
        tasks_(loop) {
    tasks_.spawn(run());
    loop.poll();
  }
  async::Task<> run() { ended.emplace(co_await link.run(sink)); }

  async::Scope tasks_;
};

}  // namespace shed::bus
