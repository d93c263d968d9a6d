// The guest's end of the frames (protocol.md section 3): host halves connect, greet, and carry messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/log.h"
#include "shed/base/secret.h"
#include "shed/bus/envelope.h"
#include "shed/bus/guest_half.h"
#include "shed/bus/health.h"
#include "shed/net/channel.h"

namespace shed::bus {

// One host half at a time is connected, the one that has greeted last. Connections that have not greeted
// are bounded in number and time; whatever they send but a greeting ends them.
class FrameUplink : public Uplink {
 public:
  // When one more comes the oldest of them goes: a flood must not lock the host out.
  static constexpr std::size_t kMaxGreeting = 16;
  // Between the end of a device's link and its next opening. A virtio port without a host ends at once.
  static constexpr Millis kReopenPause{200};
  // On a device, from the first byte to the end of the greeting. Less than a host half waits: where the rest
  // of an older message has swallowed a greeting, the next one finds a new reader.
  static constexpr Millis kDeviceGreetingLimit{2'000};

  using Opening = async::Task<Result<std::unique_ptr<net::Channel>>>;
  // From an accepted connection to its channel, or why it is refused: for TLS, and for who may connect.
  // Bounded by kGreetingLimit.
  using Opener = std::function<Opening(async::Stream)>;
  using DeviceOpener = std::function<Result<std::unique_ptr<net::Channel>>()>;

  struct Counters {
    std::uint64_t refused = 0;   // connections that ended before they had greeted
    std::uint64_t flooded = 0;   // those of them that made room for another
    std::uint64_t unusable = 0;  // messages that were dropped (answers to nothing: GuestHalf::dropped())
  };

  // With a token, a greeting must hold it. `half` outlives the uplink; what it is connected to when the
  // uplink ends is the uplink's to disconnect.
  FrameUplink(async::Loop& loop, GuestHalf& half, Secret token);
  FrameUplink(const FrameUplink&) = delete;
  FrameUplink& operator=(const FrameUplink&) = delete;
  // Ends all connections.
  ~FrameUplink() override;

  // Errc::kUnavailable: no host is connected. kLimit: it does not keep up.
  Status send(const Envelope& envelope) override;

  // Accepts connections until the task is dropped.
  async::Task<> serve(async::Acceptor& acceptor, Opener opener);
  // Keeps a device open until the task is dropped. On a device nobody tells that the other side has begun
  // anew: what is not an envelope there ends the link, and reading starts afresh.
  async::Task<> serve_device(DeviceOpener open);

  const Counters& counters() const { return counters_; }

 private:
  class Visit;
  friend class Visit;

  async::Task<> attend(async::Stream stream, Opener opener);
  async::Task<> attend_device(std::unique_ptr<net::Channel> channel);
  void make_room();
  void take_over(Visit& visit);
  void leave(const Visit& visit);
  void tell_end(const Visit& visit, const Status& ended);
  void drop_message(std::string_view cause, std::string_view text);

  async::Loop& loop_;
  GuestHalf& half_;
  Secret token_;
  std::string heartbeat_, hello_;  // payloads
  EnvelopeDecoder decoder_;
  log::Limiter limiter_;
  Counters counters_;
  std::vector<Visit*> greeting_;  // oldest first
  Visit* live_ = nullptr;
  async::Scope visits_;
};

// For connections that need nothing but what the listener demands: a unix socket, whose mode is the guard.
FrameUplink::Opening open_plain(async::Stream stream);

}  // namespace shed::bus
