#include "shed/bus/guest_half.h"

#include <algorithm>

#include "shed/base/json.h"

namespace shed::bus {
namespace {

// A larger answer's memory is given back: most answers are small.
constexpr std::size_t kKeptCapacity = std::size_t{64} * 1024;
// Of a refusal's text: it goes into an error message.
constexpr std::size_t kMaxReason = 512;

// Nothing for a word that we do not know: what came is an ordinary answer then.
std::optional<Errc> code_of_refusal(std::string_view word) {
  if (word == kRefusalUnavailable) return Errc::kUnavailable;
  if (word == kRefusalLimit) return Errc::kLimit;
  if (word == kRefusalClosed) return Errc::kClosed;
  return std::nullopt;
}

std::string reason_in(std::string_view payload) {
  JsonDocument document;
  const auto root = document.parse(payload);
  const std::string_view text = root ? (*root)["error"].string_or("") : "";
  return std::string(text.empty() ? "the host refused the request" : text.substr(0, kMaxReason));
}

}  // namespace

GuestHalf::GuestHalf(async::Loop& loop) : loop_(loop), limiter_(loop.clock()), has_uplink_(loop) {
  slots_.reserve(kMaxInFlight);
  free_.reserve(kMaxInFlight);
}
GuestHalf::~GuestHalf() = default;

void GuestHalf::connect(Uplink* uplink) {
  uplink_ = uplink;
  uplink_ != nullptr ? has_uplink_.set() : has_uplink_.reset();
  for (const auto& slot : slots_) slot->sent = false;
  if (uplink_ != nullptr) send_waiting();
}

void GuestHalf::send_waiting() {
  std::vector<Slot*> unsent;
  for (const auto& slot : slots_) {
    if (slot->waiting && !slot->sent) unsent.push_back(slot.get());
  }
  std::ranges::sort(unsent, {}, &Slot::order);
  for (Slot* slot : unsent) {
    if (uplink_ == nullptr) return;
    const Status sent = send(*slot);
    if (!sent && sent.error().code() == Errc::kLimit) return;  // it waits until there is room
    slot->sent = true;
    if (!sent) fail_slot(*slot, sent.error().code(), sent.error().text());
  }
}

GuestHalf::Slot* GuestHalf::take_slot() {
  if (free_.empty()) {
    slots_.push_back(std::make_unique<Slot>(loop_));
    return slots_.back().get();
  }
  Slot* slot = free_.back();
  free_.pop_back();
  return slot;
}

void GuestHalf::free_slot(Slot& slot) {
  if (slot.waiting) settle(slot, Fate::kOver);
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

Status GuestHalf::admit(std::size_t payload) const {
  if (uplink_ == nullptr) return fail(Errc::kUnavailable, "the host is not connected");
  if (free_.empty() && slots_.size() == kMaxInFlight) {
    return fail(Errc::kLimit, "{} requests wait already", kMaxInFlight);
  }
  if (waiting_bytes_ + payload > kMaxWaitingBytes) {
    return fail(Errc::kLimit, "requests with {} bytes wait already", waiting_bytes_);
  }
  return {};
}

void GuestHalf::begin(Slot& slot, std::string_view ns, std::string_view payload) {
  slot.asked_at = loop_.clock().wall();
  slot.id = make_uuid7(slot.asked_at);
  slot.ns = ns;
  slot.payload = payload;
  slot.order = ++asked_;
  slot.waiting = slot.sent = true;
  waiting_bytes_ += payload.size();
}

void GuestHalf::settle(Slot& slot, Fate fate) {
  slot.waiting = false;
  waiting_bytes_ -= slot.payload.size();
  slot.ns = slot.payload = {};
  past_[next_past_] = {slot.id, fate};
  next_past_ = (next_past_ + 1) % past_.size();
}

void GuestHalf::fail_slot(Slot& slot, Errc code, std::string_view text) {
  settle(slot, Fate::kOver);
  slot.error = code;
  slot.error_text = text;
  slot.done.set();
}

Error GuestHalf::out_of_time(Millis limit) const {
  if (uplink_ == nullptr) {
    return {Errc::kClosed, "the connection to the host was lost and did not come back"};
  }
  return {Errc::kTimeout, fmt::format("no answer within {}", format_duration(limit))};
}

async::Task<Result<GuestHalf::Reply>> GuestHalf::request(std::string_view ns, std::string_view payload,
                                                         Millis limit) {
  if (const Status admitted = admit(payload.size()); !admitted) co_return propagate(admitted);
  Slot* slot = take_slot();
  Reply reply(*this, *slot);
  begin(*slot, ns, payload);
  const Status sent = send(*slot);
  if (!sent) co_return propagate(sent);
  auto done = slot->done.wait_for(limit);
  const bool in_time = co_await done;
  if (!in_time) co_return std::unexpected(out_of_time(limit));
  if (!slot->error_text.empty()) {
    const Error error(slot->error, std::exchange(slot->error_text, {}));
    co_return std::unexpected(error);
  }
  co_return reply;
}

Status GuestHalf::publish_event(std::string_view ns, std::string_view payload) {
  if (uplink_ == nullptr) return fail(Errc::kUnavailable, "the host is not connected");
  const WallTime wall = loop_.clock().wall();
  const Uuid id = make_uuid7(wall);
  const TimestampText now(wall);
  Envelope envelope;
  envelope.id = id.view();
  envelope.ns = ns;
  envelope.type = EnvelopeType::kEvent;
  envelope.timestamp = now.view();
  envelope.payload = payload;
  return uplink_->send(envelope);
}

Status GuestHalf::send(const Slot& slot) {
  const TimestampText asked_at(slot.asked_at);
  Envelope envelope;
  envelope.id = slot.id.view();
  envelope.ns = slot.ns;
  envelope.type = EnvelopeType::kRequest;
  envelope.timestamp = asked_at.view();
  envelope.payload = slot.payload;
  return uplink_->send(envelope);
}

bool GuestHalf::deliver(const Envelope& response, std::string_view text) {
  Slot* slot = find(response.in_reply_to);
  if (slot == nullptr) return drop_unknown(response.in_reply_to);
  if (response.type != EnvelopeType::kResponse || response.ns != slot->ns) {
    return drop(dropped_.mismatched, "mismatch", "an answer that does not fit its request was dropped");
  }
  if (const auto code = code_of_refusal(response.refusal)) {
    fail_slot(*slot, *code, reason_in(response.payload));
    return true;
  }
  settle(*slot, Fate::kAnswered);
  slot->text.clear();
  slot->text.append(text);
  slot->done.set();
  return true;
}

bool GuestHalf::drop_unknown(std::string_view id) {
  const auto past = std::ranges::find_if(
      past_, [id](const Past& entry) { return entry.fate != Fate::kNone && entry.id.view() == id; });
  if (past == past_.end()) {
    return drop(dropped_.unasked, "unasked", "an answer to what nobody asked was dropped");
  }
  if (past->fate == Fate::kAnswered) {
    return drop(dropped_.duplicate, "duplicate", "a second answer to a request was dropped");
  }
  return drop(dropped_.late, "late", "an answer that came too late was dropped");
}

bool GuestHalf::drop(std::uint64_t& counter, std::string_view cause, std::string_view text) {
  ++counter;
  limiter_.warning(cause, text);
  return false;
}

void GuestHalf::lose(std::string_view id, const Error& reason) {
  if (Slot* slot = find(id)) fail_slot(*slot, reason.code(), reason.text());
}

void GuestHalf::lose_all(const Error& reason) {
  for (const auto& slot : slots_) {
    if (slot->waiting) fail_slot(*slot, reason.code(), reason.text());
  }
}

}  // namespace shed::bus
