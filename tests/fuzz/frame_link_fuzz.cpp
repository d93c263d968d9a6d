// One connection with frames, whose peer sends any bytes in any pieces, reads or does not, hangs up, while
// time passes and we send. What comes out is what a reader of frames alone finds in those bytes, what we
// sent arrives whole and in order, and the link ends when it has to.
//
// The input is a list of steps, each a letter and its arguments:
//   s N BYTES   the peer sends N bytes as they are      f T N BYTES   the peer sends a frame of type T
//   h N BYTES   the head of an envelope frame of N bytes, and no more of it
//   w N BYTES   we send an envelope with that payload   x N           we send 256 * N bytes of text
//   r           the peer reads what is there            t N           N seconds pass
//   q N         the link may be silent for N seconds    e             the peer hangs up
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/frame_link.h"
#include "steps.h"
#include "support/fake_clock.h"

namespace shed::bus {
namespace {

// The payloads of the envelope frames in these bytes, up to what is no frame.
std::vector<std::string> envelopes_in(std::string_view bytes) {
  std::vector<std::string> found;
  while (bytes.size() >= kFrameHeader) {
    std::size_t length = 0;
    for (std::size_t i = 1; i < kFrameHeader; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[i]);
    if (length > kMaxFrame || bytes.size() - kFrameHeader < length) break;
    if (static_cast<std::uint8_t>(bytes[0]) == kEnvelopeFrame) {
      found.emplace_back(bytes.substr(kFrameHeader, length));
    }
    bytes.remove_prefix(kFrameHeader + length);
  }
  return found;
}

class Sink : public FrameSink {
 public:
  Status take(std::string_view text) override {
    volatile char last = text.data()[text.size() + kJsonPadding - 1];
    static_cast<void>(last);
    taken.emplace_back(text);
    return {};
  }
  std::vector<std::string> taken;
};

class Session {
 public:
  explicit Session(int peer, int own)
      : peer_(peer),
        link_(loop_, net::plain_channel(async::Stream(loop_, UniqueFd(own))), limiter_),
        tasks_(loop_) {
    tasks_.spawn(run());
    loop_.poll();
  }
  ~Session() { tasks_.cancel(); }

  void step(Steps& steps) {
    switch (steps.number()) {
      case 's':
        return give(steps.text());
      case 'f': {
        Buffer frame;
        const std::uint8_t type = steps.number();
        require(append_frame(frame, type, steps.text()).has_value());
        return give(frame.view());
      }
      case 'h':
        return give(std::string{' ', '\0', '\0', static_cast<char>(steps.number()), '\0'});
      case 'w':
        return send_envelope(steps.text());
      case 'x':
        return send_text(std::string(std::size_t{256} * steps.number(), 'x'));
      case 'r':
        return receive();
      case 't':
        return pass(std::chrono::seconds(steps.number()));
      case 'q':
        return link_.expect_within(std::chrono::seconds(1 + steps.number()));
      case 'e':
        ::shutdown(peer_.get(), SHUT_WR);
        hung_up_ = true;
        return loop_.poll();
      default:
        return;
    }
  }

  // Whatever came before, silence ends it, and nothing was lost or invented on the way.
  void finish() {
    receive();
    link_.expect_within(Millis(1000));
    pass(Millis(1001));
    require(ended_);
    if (!link_.send_text("{}")) require(link_.queued() <= FrameLink::kMaxQueued + kLargest);
    const std::vector<std::string> wanted = envelopes_in(given_);
    require(sink_.taken.size() <= wanted.size());
    require(std::equal(sink_.taken.begin(), sink_.taken.end(), wanted.begin()));
    // A frame that has come is taken before the link looks at anything else.
    if (!early_) require(sink_.taken.size() == wanted.size());
    check_sent();
  }

 private:
  static constexpr std::size_t kLargest = std::size_t{256} * 256;

  async::Task<> run() {
    static_cast<void>(co_await link_.run(sink_));
    ended_ = true;
  }

  void give(std::string_view bytes) {
    if (hung_up_) return;
    early_ = early_ || ended_;
    while (!bytes.empty()) {
      const ssize_t count = ::send(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count <= 0) break;
      given_.append(bytes.substr(0, static_cast<std::size_t>(count)));
      bytes.remove_prefix(static_cast<std::size_t>(count));
      loop_.poll();
    }
    early_ = early_ || ended_;
  }

  void send_envelope(std::string_view payload) {
    Envelope envelope;
    envelope.id = "0192b3a4-0000-7000-8000-000000000001";
    envelope.ns = "ssh-agent";
    envelope.payload = payload;  // nobody on the way looks into it
    Buffer text;
    append_envelope(text, envelope);
    note(link_.send(envelope), text.view());
  }
  void send_text(std::string text) { note(link_.send_text(text), text); }
  void note(const Status& status, std::string_view text) {
    require(link_.queued() <= FrameLink::kMaxQueued + kLargest);
    if (status) sent_.emplace_back(text);
    if (ended_) require(!status);
    loop_.poll();
  }

  void receive() {
    char part[65536];
    for (ssize_t count; (count = ::recv(peer_.get(), part, sizeof part, MSG_DONTWAIT)) > 0;) {
      received_.append(part, static_cast<std::size_t>(count));
      loop_.poll();
    }
  }

  void check_sent() {
    receive();
    const std::vector<std::string> arrived = envelopes_in(received_);
    require(arrived.size() <= sent_.size());
    require(std::equal(arrived.begin(), arrived.end(), sent_.begin()));
  }

  void pass(Millis time) {
    clock_.advance(time);
    loop_.poll();
  }

  UniqueFd peer_;
  FakeClock clock_;
  async::Loop loop_{clock_};
  log::Limiter limiter_{clock_};
  Sink sink_;
  FrameLink link_;
  async::Scope tasks_;
  std::string given_, received_;
  std::vector<std::string> sent_;
  bool ended_ = false, hung_up_ = false;
  bool early_ = false;  // it ended while the peer was still sending
};

}  // namespace
}  // namespace shed::bus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::bus;
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  int ends[2];
  shed::require(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  Session session(ends[0], ends[1]);
  shed::Steps steps(data, size);
  for (int count = 0; !steps.done() && count < 200; ++count) session.step(steps);
  session.finish();
  return 0;
}
