// FrameLink: one connection on which envelopes travel both ways, in frames (protocol.md section 3).
#pragma once

#include <memory>
#include <string_view>

#include "shed/async/event.h"
#include "shed/base/buffer.h"
#include "shed/base/log.h"
#include "shed/bus/envelope.h"
#include "shed/bus/frame.h"
#include "shed/net/channel.h"

namespace shed::bus {

// Who takes what comes over a link.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // The JSON of one envelope frame, not looked at so far, with kJsonPadding readable bytes behind it;
  // valid until this returns. An error ends the link.
  virtual Status take(std::string_view text) = 0;
  // Instead, for one that is longer than the link takes: it is dropped as it comes.
  virtual Status take_too_long(std::size_t) { return {}; }
};

// A link is used once: it runs, and it is over. Dropping run() closes nothing; destroying the link does.
class FrameLink {
 public:
  // What waits to be written to a peer that reads slowly: 1 MiB of payloads, and the envelopes around a few
  // hundred of them, so that a guest can send all that waits again. One frame is taken whatever its size
  // when nothing else waits.
  static constexpr std::size_t kMaxQueued = (1024 + 256) * 1024;
  // Without a byte in the middle of a frame: half a frame and then silence.
  static constexpr Millis kStallLimit{10'000};
  // Until the peer has taken what was queued when writing began.
  static constexpr Millis kWriteLimit{30'000};

  // `limiter` takes the lines about frames that are passed over, with `peer` in front where it is not
  // empty; these and the loop outlive the link. `longest` is what is taken of an envelope.
  FrameLink(async::Loop& loop, std::unique_ptr<net::Channel> channel, log::Limiter& limiter,
            std::string_view peer = {}, std::size_t longest = kMaxFrame);
  FrameLink(const FrameLink&) = delete;
  FrameLink& operator=(const FrameLink&) = delete;
  ~FrameLink();

  // Reads and writes until the peer ends the connection between two frames (an ok status) or something
  // is wrong: Errc::kClosed (broken off, also in mid-frame), kTimeout (silence, a stalled frame, a peer
  // that does not read), kLimit (a frame that is too long), or what the sink said. Ends within a turn
  // of the loop after end().
  async::Task<Status> run(FrameSink& sink);

  // From now on the link ends with Errc::kTimeout when no whole frame has come for so long. Without a
  // call it waits for ever.
  void expect_within(Millis silence);
  // Ends run() with this reason: a newer connection has taken over.
  void end(Error reason);

  // Queues one message. Errc::kLimit: the peer does not keep up. kClosed: the link is over.
  Status send(const Envelope& envelope);
  // The same for an envelope that is JSON already, sent as it is.
  Status send_text(std::string_view envelope_json);

  // Bytes that the peer has not taken yet.
  std::size_t queued() const { return queue_.size() + writing_.size(); }

 private:
  // Rings when the time is up, and not once per frame: it looks how far the link has come meanwhile.
  class Watchdog : public async::Alarm {
   public:
    Watchdog(async::Loop& loop, FrameLink& link) : Alarm(loop), link_(link) {}

   private:
    void on_due() override { link_.check_time(); }
    FrameLink& link_;
  };

  async::Task<> read_frames(FrameSink& sink);
  async::Task<> write_queue();
  Status take_frames(FrameSink& sink);
  void check_time();
  void watch();
  Status has_room(std::size_t size) const;
  void finish(Status status);

  async::Loop& loop_;
  std::unique_ptr<net::Channel> channel_;
  log::Limiter& limiter_;
  std::string_view peer_;
  FrameReader reader_;
  Buffer queue_;    // what send() was given
  Buffer writing_;  // what is on its way
  async::Event queued_;
  async::Event over_;
  Status result_;
  Watchdog watchdog_;
  Millis silence_{};  // zero: for ever
  SteadyTime watched_until_{};
  SteadyTime last_frame_;
  SteadyTime last_byte_;
};

}  // namespace shed::bus
