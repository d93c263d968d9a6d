// The host's half of the bus: requests of guests go to the listener of their namespace, answers go
// back to the guest that asked, once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/base/buffer.h"
#include "shed/base/uuid.h"
#include "shed/bus/envelope.h"
#include "shed/bus/fair_queue.h"
#include "shed/bus/guest_half.h"
#include "shed/bus/outstanding.h"

namespace shed::bus {

// What can be told of a guest beside its name.
struct GuestRecord {
  std::optional<WallTime> since;  // of its connection
  std::uint64_t dropped = 0;      // messages that were of no use
  std::uint64_t refused = 0;      // messages that nobody was there for, or that were too many
};

// One guest, as the host half sees it. Its identity comes from how it is connected.
class GuestPort {
 public:
  GuestPort() = default;
  GuestPort(const GuestPort&) = delete;
  GuestPort& operator=(const GuestPort&) = delete;
  virtual ~GuestPort() = default;
  virtual ShedView shed() const = 0;
  // An answer to one of its requests; `text` is the envelope's JSON. Errc::kLimit: the guest does not
  // read what it was sent before. kClosed: it has just gone.
  virtual Status deliver(const Envelope& response, std::string_view text) = 0;
  // One of its requests will not be answered. Also called while the guest is not connected.
  virtual void lose(std::string_view id, std::string_view ns, const Error& reason) = 0;
  virtual GuestRecord record() const { return {}; }

 private:
  friend class HostHalf;
  GuestAccount account_;
  bool connected_ = false;
};

// A guest comes and goes (attach(), detach()) and is the same one all the time: what it asked stays with the
// listeners, because it sends again what it has no answer to, under the same ids. abandon() is for a guest
// that knows nothing of that any more, forget() for the end of a port.
class HostHalf {
 public:
  // Events that wait for a listener that reads slowly; beyond that the asking guest is refused. What is
  // in reserve is for guests that have nothing waiting: those that fill the queue shut nobody else out.
  static constexpr std::size_t kMaxQueuedBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kReservedBytes = 1024 * 1024;
  static constexpr std::size_t kMaxOutstanding = 4096;  // per listener, from guests with others in flight
  static constexpr std::size_t kMaxListeners = 64;
  // Of one guest, over all namespaces: 1 MiB of payloads and the envelopes around kMaxInFlight of them. One
  // message of any allowed size is taken when nothing else waits.
  static constexpr std::size_t kMaxInFlight = 256;
  static constexpr std::size_t kMaxGuestBytes = (1024 + 256) * 1024;

  explicit HostHalf(async::Loop& loop) : loop_(loop) {}
  HostHalf(const HostHalf&) = delete;
  HostHalf& operator=(const HostHalf&) = delete;

  class Subscription;

  // The guest is connected: it may ask, and answers reach it.
  void attach(GuestPort& port);
  // The guest is away. An answer that comes now finds nobody, and its request is done with.
  void detach(GuestPort& port);
  // What the guest asked is nobody's any more: neither sent to a listener nor answered. What a listener works
  // on already takes the guest's places there until it is done: otherwise a guest that claims to be another
  // process could fill all of them. Whether the guest is connected does not change.
  void abandon(GuestPort& port);
  // The same, and nothing of the port is left. Every port is detached and forgotten before it ends.
  void forget(GuestPort& port);
  // Those that are connected.
  const std::vector<GuestPort*>& guests() const { return ports_; }

  // A request or event from a guest. Whatever `shed` it holds is replaced by the port's. A request that
  // its listener has already, from the same guest and under the same id, is the same one: it is not
  // delivered a second time, and gets the one answer.
  // Errc::kUnavailable: nobody listens to the namespace. kLimit: the guest has too much under way, the
  // listener's queue is full, or the message is over kMaxPublishBody. kInvalid: a response, an id that is
  // no UUID, or a timestamp that is none.
  Status accept(GuestPort& from, const Envelope& envelope);

  // One listener a namespace: Errc::kExists. kRefused for a reserved one, kInvalid for a bad one.
  Result<std::unique_ptr<Subscription>> subscribe(std::string_view ns);
  const std::vector<Subscription*>& subscriptions() const { return subscriptions_; }

  // An answer from the listener of `ns`. Errc::kInvalid: not a response to anything in that
  // namespace. kNotFound: that guest is not (any longer) here. kRefused: it has been answered, or
  // was never asked. kLimit: the guest does not read; the answer can be given again.
  Status respond(std::string_view ns, const Envelope& response, std::string_view text);

 private:
  friend class Subscription;
  Subscription* find(std::string_view ns);
  Status check_room(const Subscription& listener, const GuestAccount& guest, const Envelope& envelope) const;

  async::Loop& loop_;
  std::vector<GuestPort*> ports_;
  std::vector<Subscription*> subscriptions_;
  Buffer scratch_;  // the envelope that is being passed on
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

  // Set while server-sent events wait to be written.
  async::Event& pending() { return pending_; }
  // Replaces what is in `batch` by the next events, of each guest in turn: about FairQueue::kBatch bytes,
  // or none when none wait.
  void take(Buffer& batch);

 private:
  friend class HostHalf;
  // Longer than any guest waits: an answer after that has nobody to go to.
  static constexpr Millis kForgetAfter{60'000};
  // What a listener has of a guest that knows nothing of it any more.
  struct Abandoned {
    GuestPort* guest;
    std::size_t count;
    SteadyTime since;
  };
  void remove(std::size_t at);
  void settle(GuestPort& guest);
  void withdraw(GuestPort& guest);
  void abandon(GuestPort& guest);
  void forget(GuestPort& guest);
  void forget_old();
  void settle_abandoned(const ShedView& shed);

  HostHalf& half_;
  std::string ns_;
  WallTime created_at_;
  FairQueue queue_;
  async::Event pending_;
  OutstandingRequests outstanding_;
  std::vector<Abandoned> abandoned_;  // one of a guest
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
  Status deliver(const Envelope& response, std::string_view text) override;
  void lose(std::string_view id, std::string_view ns, const Error& reason) override;

 private:
  GuestHalf& guest_;
  HostHalf& host_;
  std::string name_, server_;
};

}  // namespace shed::bus
