#include "shed/bus/host_half.h"

#include <algorithm>

namespace shed::bus {
namespace {

// Around a payload: ids, namespace and the guest's name at their longest.
constexpr std::size_t kEnvelopeRoom = 1024;
// What the reserve of a queue is for. Requests of ssh, aws and docker are far below it.
constexpr std::size_t kSmallMessage = std::size_t{16} * 1024;
// Of what is used for one message or batch after the other; larger memory goes back.
constexpr std::size_t kKeptCapacity = 4 * FairQueue::kBatch;
// RFC 3339 with nanoseconds has 35 characters.
constexpr std::size_t kMaxTimestamp = 64;

Status check_form(const Envelope& envelope) {
  if (envelope.type == EnvelopeType::kResponse) return fail(Errc::kInvalid, "guests answer nothing");
  if (envelope.type == EnvelopeType::kRequest && envelope.id.size() != OutstandingRequests::kIdSize)
    return fail(Errc::kInvalid, "the id is not a UUID");
  if (envelope.timestamp.size() > kMaxTimestamp) return fail(Errc::kInvalid, "the timestamp is too long");
  return {};
}

bool is_named(const GuestPort& port, const ShedView& named) {
  const ShedView shed = port.shed();
  return shed.name == named.name && shed.server == named.server;
}

}  // namespace

void HostHalf::attach(GuestPort& port) {
  if (port.connected_) return;
  port.connected_ = true;
  ports_.push_back(&port);
}

void HostHalf::detach(GuestPort& port) {
  port.connected_ = false;
  std::erase(ports_, &port);
}

void HostHalf::abandon(GuestPort& port) {
  for (Subscription* subscription : subscriptions_) subscription->abandon(port);
}

void HostHalf::forget(GuestPort& port) {
  for (Subscription* subscription : subscriptions_) subscription->forget(port);
}

HostHalf::Subscription* HostHalf::find(std::string_view ns) {
  const auto found = std::ranges::find(subscriptions_, ns,
                                       [](const Subscription* s) -> std::string_view { return s->ns(); });
  return found == subscriptions_.end() ? nullptr : *found;
}

Status HostHalf::check_room(const Subscription& listener, const GuestAccount& guest,
                            const Envelope& envelope) const {
  const std::size_t size = envelope.payload.size() + kEnvelopeRoom;
  if (envelope.payload.size() > kMaxPublishBody) {
    return fail(Errc::kLimit, "a message of {} bytes is over the limit of {}", envelope.payload.size(),
                kMaxPublishBody);
  }
  if (guest.queued > 0 && guest.queued + size > kMaxGuestBytes) {
    return fail(Errc::kLimit, "{} bytes of this guest wait already", guest.queued);
  }
  if (guest.in_flight >= kMaxInFlight) return fail(Errc::kLimit, "{} requests wait already", kMaxInFlight);
  // The guests that fill a table or queue are refused; one that has nothing in it is not made to pay for it.
  const bool crowded = listener.outstanding_.size() >= kMaxOutstanding && guest.in_flight > 0;
  const bool reserve = guest.queued == 0 && size <= kSmallMessage;
  if (crowded || listener.queue_.size() + size > kMaxQueuedBytes + (reserve ? kReservedBytes : 0)) {
    return fail(Errc::kLimit, "the host agent does not keep up with {}", envelope.ns);
  }
  return {};
}

Status HostHalf::accept(GuestPort& from, const Envelope& envelope) {
  const bool is_request = envelope.type == EnvelopeType::kRequest;
  if (const Status form = check_form(envelope); !form) return form;
  Subscription* listener = find(envelope.ns);
  if (listener == nullptr) {
    return fail(Errc::kUnavailable, "nobody on the host listens to {}; is the host agent running?",
                envelope.ns);
  }
  listener->forget_old();
  auto& outstanding = listener->outstanding_;
  const auto same_guest = [&from](const GuestPort& guest) { return &guest == &from; };
  if (is_request && outstanding.find(envelope.id, same_guest) != outstanding.kNowhere) return {};
  if (const Status room = check_room(*listener, from.account_, envelope); !room) return room;
  if (is_request) {
    outstanding.add(envelope.id, from, loop_.clock().now());
    ++from.account_.in_flight;
  }
  Envelope stamped = envelope;
  stamped.shed = from.shed();
  stamped.has_shed = true;
  stamped.refusal = {};  // the host half's own word
  scratch_.clear();
  if (scratch_.capacity() > kKeptCapacity) scratch_.release();
  append_envelope(scratch_, stamped);
  listener->queue_.push(from.account_, scratch_.view(), is_request);
  if (listener->queue_.ready()) listener->pending_.set();
  return {};
}

void HostHalf::Subscription::settle(GuestPort& guest) {
  --guest.account_.in_flight;
  queue_.settle(guest.account_);
  if (queue_.ready()) pending_.set();
}

void HostHalf::Subscription::remove(std::size_t at) {
  GuestPort& guest = *outstanding_[at].guest;
  outstanding_.remove(at);
  settle(guest);
}

// None of the guest's requests will be answered.
void HostHalf::Subscription::withdraw(GuestPort& guest) {
  outstanding_.remove_if([&guest](const auto& request) {
    if (request.guest != &guest) return false;
    --guest.account_.in_flight;
    return true;
  });
  std::erase_if(abandoned_, [&guest](const Abandoned& entry) {
    if (entry.guest != &guest) return false;
    guest.account_.in_flight -= entry.count;
    return true;
  });
}

void HostHalf::Subscription::abandon(GuestPort& guest) {
  withdraw(guest);
  const std::size_t count = queue_.drop_waiting(guest.account_);
  if (queue_.ready()) pending_.set();
  if (count == 0) return;
  guest.account_.in_flight += count;
  abandoned_.push_back({&guest, count, half_.loop_.clock().now()});
}

void HostHalf::Subscription::forget(GuestPort& guest) {
  withdraw(guest);
  queue_.drop(guest.account_);
  if (queue_.ready()) pending_.set();
}

// What was never answered must not fill the table for ever.
void HostHalf::Subscription::forget_old() {
  const SteadyTime now = half_.loop_.clock().now();
  if (now - last_sweep_ <= kForgetAfter) return;
  last_sweep_ = now;
  outstanding_.remove_if([this, now](const auto& request) {
    if (now - request.since <= kForgetAfter) return false;
    settle(*request.guest);
    return true;
  });
  std::erase_if(abandoned_, [this, now](const Abandoned& entry) {
    if (now - entry.since <= kForgetAfter) return false;
    for (std::size_t i = 0; i < entry.count; ++i) settle(*entry.guest);
    return true;
  });
}

// The listener is done with something that nobody waits for: which one it was is all the same.
void HostHalf::Subscription::settle_abandoned(const ShedView& shed) {
  const auto entry =
      std::ranges::find_if(abandoned_, [&shed](const Abandoned& a) { return is_named(*a.guest, shed); });
  if (entry == abandoned_.end()) return;
  settle(*entry->guest);
  if (--entry->count == 0) abandoned_.erase(entry);
}

Result<std::unique_ptr<HostHalf::Subscription>> HostHalf::subscribe(std::string_view ns) {
  if (!is_valid_namespace(ns)) return fail(Errc::kInvalid, "not a namespace");
  if (is_reserved_namespace(ns)) return fail(Errc::kRefused, "{} is reserved", ns);
  if (find(ns) != nullptr) return fail(Errc::kExists, "{} has a listener already", ns);
  if (subscriptions_.size() >= kMaxListeners)
    return fail(Errc::kLimit, "{} namespaces have listeners", kMaxListeners);
  return std::make_unique<Subscription>(*this, ns);
}

Status HostHalf::respond(std::string_view ns, const Envelope& response, std::string_view text) {
  Subscription* listener = find(ns);
  if (listener == nullptr || response.ns != ns || response.type != EnvelopeType::kResponse) {
    return fail(Errc::kInvalid, "not a response to a request of {}", ns);
  }
  const auto same_shed = [&](const GuestPort& port) { return is_named(port, response.shed); };
  // Once, and only to the guest that asked: the entry goes with the answer. The request says who that
  // was; a name alone would pick the wrong one of two.
  const std::size_t at = listener->outstanding_.find(response.in_reply_to, same_shed);
  if (at == OutstandingRequests::kNowhere) {
    listener->settle_abandoned(response.shed);
    if (std::ranges::none_of(ports_, [&](const GuestPort* port) { return same_shed(*port); }))
      return fail(Errc::kNotFound, "{} is not connected", response.shed.name);
    return fail(Errc::kRefused, "no request {} waits for an answer", response.in_reply_to);
  }
  GuestPort& guest = *listener->outstanding_[at].guest;
  const Status delivered =
      guest.connected_ ? guest.deliver(response, text) : fail(Errc::kClosed, "it is away");
  if (!delivered && delivered.error().code() == Errc::kLimit) return delivered;
  // Also when the guest is away: it asks again when it is back, and must not wait for what has come and gone.
  listener->remove(at);
  if (!delivered) return fail(Errc::kNotFound, "{} is not connected", response.shed.name);
  return {};
}

HostHalf::Subscription::Subscription(HostHalf& half, std::string_view ns)
    : half_(half), ns_(ns), created_at_(half.loop_.clock().wall()), pending_(half.loop_) {
  half_.subscriptions_.push_back(this);
}

HostHalf::Subscription::~Subscription() {
  std::erase(half_.subscriptions_, this);
  for (const auto& request : outstanding_.all()) --request.guest->account_.in_flight;
  for (const Abandoned& entry : abandoned_) entry.guest->account_.in_flight -= entry.count;
  for (const auto& request : outstanding_.all()) {
    request.guest->lose(request.id(), ns_,
                        Error(Errc::kClosed, "the host agent went away before it answered"));
  }
}

void HostHalf::Subscription::take(Buffer& batch) {
  batch.clear();
  if (batch.capacity() > kKeptCapacity) batch.release();
  queue_.take(batch);
  if (!queue_.ready()) pending_.reset();
}

LocalLink::LocalLink(GuestHalf& guest, HostHalf& host, std::string name, std::string server)
    : guest_(guest), host_(host), name_(std::move(name)), server_(std::move(server)) {
  host_.attach(*this);
  guest_.connect(this);
}

LocalLink::~LocalLink() {
  guest_.connect(nullptr);
  host_.detach(*this);
  host_.forget(*this);
}

Status LocalLink::deliver(const Envelope& response, std::string_view text) {
  guest_.deliver(response, text);
  return {};
}

void LocalLink::lose(std::string_view id, std::string_view, const Error& reason) { guest_.lose(id, reason); }

}  // namespace shed::bus
