// The host's half of the bus: requests of guests go to the listener of their namespace, answers go
// back to the guest that asked, once.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/base/buffer.h"
#include "shed/base/uuid.h"
#include "shed/bus/envelope.h"
#include "shed/bus/guest_half.h"

namespace shed::bus {

// One guest, as the host half sees it. Its identity comes from how it is connected.
class GuestPort {
 public:
  virtual ~GuestPort() = default;
  virtual ShedView shed() const = 0;
  // An answer to one of its requests; `text` is the envelope's JSON.
  virtual void deliver(const Envelope& response, std::string_view text) = 0;
  // One of its requests will not be answered.
  virtual void lose(std::string_view id, const Error& reason) = 0;
};

class HostHalf {
 public:
  // Events that wait for a listener that reads slowly; beyond that the asking guest is refused.
  static constexpr std::size_t kMaxQueuedBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kMaxOutstanding = 4096;  // per listener
  static constexpr std::size_t kMaxListeners = 64;

  explicit HostHalf(async::Loop& loop) : loop_(loop) {}
  HostHalf(const HostHalf&) = delete;
  HostHalf& operator=(const HostHalf&) = delete;

  class Subscription;

  void attach(GuestPort& port) { ports_.push_back(&port); }
  // Forgets the guest and what it asked.
  void detach(GuestPort& port);
  const std::vector<GuestPort*>& guests() const { return ports_; }

  // A request or event from a guest. Whatever `shed` it holds is replaced by the port's.
  // Errc::kUnavailable: nobody listens to the namespace. kLimit: the listener's queue is full.
  Status accept(GuestPort& from, const Envelope& envelope);

  // One listener a namespace: Errc::kExists. kRefused for a reserved one, kInvalid for a bad one.
  Result<std::unique_ptr<Subscription>> subscribe(std::string_view ns);
  const std::vector<Subscription*>& subscriptions() const { return subscriptions_; }

  // An answer from the listener of `ns`. Errc::kInvalid: not a response to anything in that
  // namespace. kNotFound: that guest is not (any longer) here. kRefused: it has been answered, or
  // was never asked.
  Status respond(std::string_view ns, const Envelope& response, std::string_view text);

 private:
  friend class Subscription;
  Subscription* find(std::string_view ns);

  async::Loop& loop_;
  std::vector<GuestPort*> ports_;
  std::vector<Subscription*> subscriptions_;
};

// A listener's registration; ends with it. What was sent to the listener and not answered is lost
// then, and the guests are told at once.
class HostHalf::Subscription {
 public:
  Subscription(HostHalf& half, std::string_view ns);
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  ~Subscription();

  const std::string& ns() const { return ns_; }
  WallTime created_at() const { return created_at_; }

  // Server-sent events that wait to be written; set when there are some.
  async::Event& pending() { return pending_; }
  // Exchanges them for `written`, an empty buffer that the next ones go to.
  void take(Buffer& written);

 private:
  friend class HostHalf;
  struct Outstanding {
    std::array<char, 36> id;
    GuestPort* guest;
    SteadyTime since;
  };
  // Longer than any guest waits: an answer after that has nobody to go to.
  static constexpr Millis kForgetAfter{60'000};
  Status expect_answer(std::string_view id, GuestPort& guest);
  void forget_old();

  HostHalf& half_;
  std::string ns_;
  WallTime created_at_;
  Buffer queue_;
  Buffer scratch_;
  async::Event pending_;
  std::vector<Outstanding> outstanding_;
  SteadyTime last_sweep_{};
};

// Both halves in one process: what goes up comes straight down on the other side.
class LocalLink : public Uplink, public GuestPort {
 public:
  // `name` and `server` are what listeners see as the guest.
  LocalLink(GuestHalf& guest, HostHalf& host, std::string name, std::string server);
  ~LocalLink() override;

  Status send(const Envelope& envelope) override { return host_.accept(*this, envelope); }
  ShedView shed() const override { return {name_, "local", server_}; }
  void deliver(const Envelope& response, std::string_view text) override;
  void lose(std::string_view id, const Error& reason) override;

 private:
  GuestHalf& guest_;
  HostHalf& host_;
  std::string name_, server_;
};

}  // namespace shed::bus
