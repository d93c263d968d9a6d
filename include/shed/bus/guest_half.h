// The guest's half of the bus: requests go up, answers come back to whoever asked.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shed/async/event.h"
#include "shed/base/buffer.h"
#include "shed/base/uuid.h"
#include "shed/bus/envelope.h"

namespace shed::bus {

// What carries envelopes to the host half.
class Uplink {
 public:
  virtual ~Uplink() = default;
  // Hands the envelope over. Errc::kUnavailable: nobody would answer it. Errc::kLimit: a queue on
  // the way is full.
  virtual Status send(const Envelope& envelope) = 0;
};

class GuestHalf {
 public:
  // Requests that wait for an answer at a time; the next is refused at once.
  static constexpr std::size_t kMaxInFlight = 256;

  explicit GuestHalf(async::Loop& loop);
  ~GuestHalf();

  // The answer to a request; its memory goes back when it is destroyed.
  class Reply;
  struct Slot;

  // A null uplink: the connection is lost, and every request that waits fails with Errc::kClosed.
  void connect(Uplink* uplink);
  bool connected() const { return uplink_ != nullptr; }

  // `ns` must stay until the task is done or dropped, `payload` until it has started.
  // Errc::kUnavailable: not connected, or nobody listens. kClosed: the connection was lost while
  // waiting. kTimeout. kLimit: too many requests.
  async::Task<Result<Reply>> request(std::string_view ns, std::string_view payload, Millis limit);
  Status publish_event(std::string_view ns, std::string_view payload);

  // An answer from the uplink: `text` is the envelope's JSON. One that nobody asked for, a second
  // one, or one for another namespace is dropped, with false.
  bool deliver(const Envelope& response, std::string_view text);
  // The request will not be answered.
  void lose(std::string_view id, const Error& reason);

 private:
  friend class Reply;
  Slot* take_slot();
  void free_slot(Slot& slot);
  Slot* find(std::string_view id);
  Status send(const Uuid& id, EnvelopeType type, std::string_view ns, std::string_view payload);

  async::Loop& loop_;
  Uplink* uplink_ = nullptr;
  std::vector<std::unique_ptr<Slot>> slots_;  // grows to what was needed at once
  std::vector<Slot*> free_;
};

struct GuestHalf::Slot {
  explicit Slot(async::Loop& loop) : done(loop) {}
  Uuid id{};
  std::string_view ns;  // the requester's, while waiting
  bool waiting = false;
  async::Event done;
  Buffer text;
  Errc error{};
  std::string error_text;
};

class GuestHalf::Reply {
 public:
  Reply(GuestHalf& half, Slot& slot) : half_(&half), slot_(&slot) {}
  Reply(Reply&& other) noexcept : half_(other.half_), slot_(std::exchange(other.slot_, nullptr)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (slot_ != nullptr) half_->free_slot(*slot_);
  }
  // The response envelope as it came.
  std::string_view text() const { return slot_->text.view(); }

 private:
  GuestHalf* half_;
  Slot* slot_;
};

}  // namespace shed::bus
