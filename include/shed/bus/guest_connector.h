// GuestConnector: the host half's side of one guest. It dials, greets, carries messages, and dials again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shed/async/event.h"
#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/base/secret.h"
#include "shed/bus/frame_link.h"
#include "shed/bus/health.h"
#include "shed/bus/host_half.h"
#include "shed/net/channel.h"

namespace shed::bus {

// Who a guest is. Said by whoever runs the host half, never by the guest.
struct GuestIdentity {
  std::string name, backend, server;
};

// How a guest is reached.
class GuestDialer {
 public:
  virtual ~GuestDialer() = default;
  // A fresh connection, within a time limit of its own. Errors name what was dialled.
  virtual async::Task<Result<std::unique_ptr<net::Channel>>> dial() = 0;
  // What the guest wants to see in the greeting; empty: nothing.
  virtual Result<Secret> token() = 0;
};

// What reads messages, once for all guests of a process: a parser keeps memory for its largest document.
struct MessageReader {
  EnvelopeDecoder envelopes;
  JsonDocument payloads;
};

class GuestConnector : public GuestPort, private FrameSink {
 public:
  // The longest message that is taken, with kMaxPublishBody of payload at most. What is longer takes no
  // memory, however many guests send it.
  static constexpr std::size_t kMaxMessage = kMaxPublishBody + 64 * 1024;
  // On a serial line the rest of an earlier session comes before the greeting. As often a new process of the
  // guest is greeted on one link.
  static constexpr unsigned kMaxBeforeGreeting = 1024;
  // A link that lasted so long is dialled again at once. Otherwise the pauses double from the first to the
  // longest: a guest that is started again is back within two seconds.
  static constexpr Millis kStableAfter{1'000};
  static constexpr Millis kFirstPause{50};
  static constexpr Millis kLongestPause{1'000};

  // `host` and `reader` outlive the connector.
  GuestConnector(async::Loop& loop, HostHalf& host, MessageReader& reader, GuestIdentity identity,
                 std::unique_ptr<GuestDialer> dialer);
  // The host half forgets the guest. run() must have been dropped.
  ~GuestConnector() override;

  // Keeps the guest connected until the task is dropped.
  async::Task<> run();

  ShedView shed() const override { return {identity_.name, identity_.backend, identity_.server}; }
  Status deliver(const Envelope& response, std::string_view text) override;
  // Tells a connected guest in a response of the host half's own (envelope.h, `refusal`). One that is away
  // asks again when it is back.
  void lose(std::string_view id, std::string_view ns, const Error& reason) override;
  GuestRecord record() const override;

 private:
  class Connection;
  // The greeting has its time, whatever else comes meanwhile.
  class GreetingAlarm : public async::Alarm {
   public:
    GreetingAlarm(async::Loop& loop, GuestConnector& connector) : Alarm(loop), connector_(connector) {}

   private:
    void on_due() override;
    GuestConnector& connector_;
  };

  async::Task<Status> stay_connected();
  Status greet();
  Status take(std::string_view text) override;
  Status take_too_long(std::size_t size) override;
  Status take_before_greeting(const Envelope& envelope);
  Status pass_over(std::string_view what);
  void take_heartbeat(const Envelope& envelope);
  bool is_hello(const Envelope& envelope);
  Status take_hello(const Envelope& envelope);
  void pass_on(const Envelope& envelope);
  void become_connected();
  void become_disconnected();
  void tell_end(const Status& ended, Millis lasted);
  void drop(std::string_view cause, std::string_view text);

  async::Loop& loop_;
  HostHalf& host_;
  MessageReader& reader_;
  GuestIdentity identity_;
  std::string label_;  // "guest web", for the log
  std::unique_ptr<GuestDialer> dialer_;
  log::Limiter limiter_;
  GreetingAlarm greeting_;
  FrameLink* link_ = nullptr;  // the one that runs
  bool greeted_ = false;
  bool flapping_ = false;  // its last link did not last
  unsigned before_greeting_ = 0;
  unsigned greeted_again_ = 0;
  Uuid greeting_id_{};
  WallTime since_{};
  SteadyTime connected_at_{};
  std::string started_at_;    // the guest's process, as its heartbeats have it
  std::string last_failure_;  // that was logged, since it was last connected
  std::uint64_t dropped_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace shed::bus
