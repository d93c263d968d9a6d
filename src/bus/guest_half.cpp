#include "shed/bus/guest_half.h"

namespace shed::bus {
namespace {

// A larger answer's memory is given back: most answers are small.
constexpr std::size_t kKeptCapacity = std::size_t{64} * 1024;

}  // namespace

GuestHalf::GuestHalf(async::Loop& loop) : loop_(loop) {
  slots_.reserve(kMaxInFlight);
  free_.reserve(kMaxInFlight);
}
GuestHalf::~GuestHalf() = default;

void GuestHalf::connect(Uplink* uplink) {
  uplink_ = uplink;
  if (uplink_ != nullptr) return;
  for (const auto& slot : slots_) {
    if (slot->waiting) lose(slot->id.view(), Error(Errc::kClosed, "the connection to the host was lost"));
  }
}

GuestHalf::Slot* GuestHalf::take_slot() {
  if (free_.empty()) {
    if (slots_.size() == kMaxInFlight) return nullptr;
    slots_.push_back(std::make_unique<Slot>(loop_));
    return slots_.back().get();
  }
  Slot* slot = free_.back();
  free_.pop_back();
  return slot;
}

void GuestHalf::free_slot(Slot& slot) {
  slot.waiting = false;
  slot.done.reset();
  slot.error_text.clear();  // of a request that was dropped before it saw its error
  slot.text.wipe();         // an answer may hold session credentials
  if (slot.text.capacity() > kKeptCapacity) slot.text.release();
  free_.push_back(&slot);
}

GuestHalf::Slot* GuestHalf::find(std::string_view id) {
  for (const auto& slot : slots_) {
    if (slot->waiting && slot->id.view() == id) return slot.get();
  }
  return nullptr;
}

async::Task<Result<GuestHalf::Reply>> GuestHalf::request(std::string_view ns, std::string_view payload,
                                                         Millis limit) {
  if (uplink_ == nullptr) co_return fail(Errc::kUnavailable, "the host is not connected");
  Slot* slot = take_slot();
  if (slot == nullptr) co_return fail(Errc::kLimit, "{} requests wait already", kMaxInFlight);
  Reply reply(*this, *slot);
  slot->id = make_uuid7(loop_.clock().wall());
  slot->ns = ns;
  slot->waiting = true;
  const Status sent = send(slot->id, EnvelopeType::kRequest, ns, payload);
  if (!sent) co_return propagate(sent);
  auto done = slot->done.wait_for(limit);
  const bool in_time = co_await done;
  if (!in_time) co_return fail(Errc::kTimeout, "no answer within {}", format_duration(limit));
  if (!slot->error_text.empty()) {
    const Error error(slot->error, std::exchange(slot->error_text, {}));
    co_return std::unexpected(error);
  }
  co_return reply;
}

Status GuestHalf::publish_event(std::string_view ns, std::string_view payload) {
  if (uplink_ == nullptr) return fail(Errc::kUnavailable, "the host is not connected");
  const Uuid id = make_uuid7(loop_.clock().wall());
  return send(id, EnvelopeType::kEvent, ns, payload);
}

Status GuestHalf::send(const Uuid& id, EnvelopeType type, std::string_view ns, std::string_view payload) {
  const TimestampText now(loop_.clock().wall());
  Envelope envelope;
  envelope.id = id.view();
  envelope.ns = ns;
  envelope.type = type;
  envelope.timestamp = now.view();
  envelope.payload = payload;
  return uplink_->send(envelope);
}

bool GuestHalf::deliver(const Envelope& response, std::string_view text) {
  Slot* slot = find(response.in_reply_to);
  if (slot == nullptr || response.type != EnvelopeType::kResponse || response.ns != slot->ns) return false;
  slot->waiting = false;
  slot->text.clear();
  slot->text.append(text);
  slot->done.set();
  return true;
}

void GuestHalf::lose(std::string_view id, const Error& reason) {
  Slot* slot = find(id);
  if (slot == nullptr) return;
  slot->waiting = false;
  slot->error = reason.code();
  slot->error_text = reason.text();
  slot->done.set();
}

}  // namespace shed::bus
