#include "shed/bus/host_half.h"

#include <algorithm>

#include "shed/net/event_stream.h"

namespace shed::bus {

void HostHalf::detach(GuestPort& port) {
  std::erase(ports_, &port);
  for (Subscription* subscription : subscriptions_) {
    std::erase_if(subscription->outstanding_, [&](const auto& entry) { return entry.guest == &port; });
  }
}

HostHalf::Subscription* HostHalf::find(std::string_view ns) {
  const auto found = std::ranges::find(subscriptions_, ns,
                                       [](const Subscription* s) -> std::string_view { return s->ns(); });
  return found == subscriptions_.end() ? nullptr : *found;
}

Status HostHalf::accept(GuestPort& from, const Envelope& envelope) {
  Subscription* listener = find(envelope.ns);
  if (listener == nullptr) {
    return fail(Errc::kUnavailable, "nobody on the host listens to {}; is the host agent running?",
                envelope.ns);
  }
  listener->forget_old();
  if (listener->queue_.size() + envelope.payload.size() > kMaxQueuedBytes ||
      listener->outstanding_.size() >= kMaxOutstanding) {
    return fail(Errc::kLimit, "the host agent does not keep up with {}", envelope.ns);
  }
  if (envelope.type == EnvelopeType::kRequest) {
    if (const Status status = listener->expect_answer(envelope.id, from); !status) return status;
  }
  Envelope stamped = envelope;
  stamped.shed = from.shed();
  stamped.has_shed = true;
  listener->scratch_.clear();
  append_envelope(listener->scratch_, stamped);
  net::append_event(listener->queue_, listener->scratch_.view());
  listener->pending_.set();
  return {};
}

Status HostHalf::Subscription::expect_answer(std::string_view id, GuestPort& guest) {
  Outstanding entry{{}, &guest, half_.loop_.clock().now()};
  if (id.size() != entry.id.size()) return fail(Errc::kInvalid, "the id is not a UUID");
  std::ranges::copy(id, entry.id.begin());
  outstanding_.push_back(entry);
  return {};
}

// What was never answered must not fill the table for ever.
void HostHalf::Subscription::forget_old() {
  const SteadyTime now = half_.loop_.clock().now();
  if (now - last_sweep_ <= kForgetAfter) return;
  last_sweep_ = now;
  std::erase_if(outstanding_, [&](const Outstanding& old) { return now - old.since > kForgetAfter; });
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
  const auto same_shed = [&](const GuestPort* port) {
    const ShedView shed = port->shed();
    return shed.name == response.shed.name && shed.server == response.shed.server;
  };
  // Once, and only to the guest that asked: the entry goes with the answer. The request says who that
  // was; a name alone would pick the wrong one of two.
  auto& outstanding = listener->outstanding_;
  const auto asked = std::ranges::find_if(outstanding, [&](const auto& entry) {
    return std::string_view(entry.id.data(), entry.id.size()) == response.in_reply_to &&
           same_shed(entry.guest);
  });
  if (asked == outstanding.end()) {
    if (std::ranges::none_of(ports_, same_shed))
      return fail(Errc::kNotFound, "{} is not connected", response.shed.name);
    return fail(Errc::kRefused, "no request {} waits for an answer", response.in_reply_to);
  }
  GuestPort& guest = *asked->guest;
  *asked = outstanding.back();
  outstanding.pop_back();
  guest.deliver(response, text);
  return {};
}

HostHalf::Subscription::Subscription(HostHalf& half, std::string_view ns)
    : half_(half), ns_(ns), created_at_(half.loop_.clock().wall()), pending_(half.loop_) {
  half_.subscriptions_.push_back(this);
}

HostHalf::Subscription::~Subscription() {
  std::erase(half_.subscriptions_, this);
  for (const Outstanding& entry : outstanding_) {
    entry.guest->lose({entry.id.data(), entry.id.size()},
                      Error(Errc::kClosed, "the host agent went away before it answered"));
  }
}

void HostHalf::Subscription::take(Buffer& written) {
  written.clear();
  std::swap(written, queue_);
  pending_.reset();
}

LocalLink::LocalLink(GuestHalf& guest, HostHalf& host, std::string name, std::string server)
    : guest_(guest), host_(host), name_(std::move(name)), server_(std::move(server)) {
  host_.attach(*this);
  guest_.connect(this);
}

LocalLink::~LocalLink() {
  guest_.connect(nullptr);
  host_.detach(*this);
}

void LocalLink::deliver(const Envelope& response, std::string_view text) { guest_.deliver(response, text); }
void LocalLink::lose(std::string_view id, const Error& reason) { guest_.lose(id, reason); }

}  // namespace shed::bus
