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
#include "shed/base/log.h"
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
  // Requests that wait for an answer at a time, and the payloads they wait with; the next is refused at
  // once. A link's queue holds all of them, so that they can be sent again together.
  static constexpr std::size_t kMaxInFlight = 256;
  static constexpr std::size_t kMaxWaitingBytes = 1024 * 1024;

  explicit GuestHalf(async::Loop& loop);
  ~GuestHalf();

  // The answer to a request; its memory goes back when it is destroyed.
  class Reply;
  struct Slot;

  // Answers that were dropped, by cause; each is also logged, once a minute.
  struct Dropped {
    std::uint64_t late = 0;        // whoever asked has given up
    std::uint64_t duplicate = 0;   // it was answered already
    std::uint64_t unasked = 0;     // nothing is known about what it answers
    std::uint64_t mismatched = 0;  // no response, or in another namespace than the request
  };

  // A null uplink: the connection is lost. What waits goes on waiting for the next one, while its time
  // lasts. With an uplink everything that waits is sent again under the ids it has, oldest first; also
  // with the same one again, for a host that has forgotten. The uplink stays until it is replaced.
  void connect(Uplink* uplink);
  bool connected() const { return uplink_ != nullptr; }
  // Set while an uplink is connected.
  async::Event& has_uplink() { return has_uplink_; }
  // Sends what the uplink's queue had no room for when it was connected.
  void send_waiting();

  // `ns` and `payload` must stay until the task is done or dropped.
  // Errc::kUnavailable: not connected, or nobody listens. kClosed: the connection was lost and has not
  // come back in time, or the listener went away. kTimeout. kLimit: too many requests, or too large
  // ones.
  async::Task<Result<Reply>> request(std::string_view ns, std::string_view payload, Millis limit);
  Status publish_event(std::string_view ns, std::string_view payload);

  // An answer from the uplink: `text` is the envelope's JSON. One that nobody waits for, or one for
  // another namespace, is dropped, with false. A refusal of the host half (envelope.h) ends the request
  // as lose() does.
  bool deliver(const Envelope& response, std::string_view text);
  // The request will not be answered.
  void lose(std::string_view id, const Error& reason);
  // None of those that wait will be.
  void lose_all(const Error& reason);

  const Dropped& dropped() const { return dropped_; }
  async::Loop& loop() const { return loop_; }

 private:
  friend class Reply;
  enum class Fate : std::uint8_t { kNone, kAnswered, kOver };
  // What became of the latest requests: to tell a late answer from a forged one.
  struct Past {
    Uuid id{};
    Fate fate = Fate::kNone;
  };
  static constexpr std::size_t kRemembered = 128;

  Slot* take_slot();
  void free_slot(Slot& slot);
  Slot* find(std::string_view id);
  Status admit(std::size_t payload) const;
  void begin(Slot& slot, std::string_view ns, std::string_view payload);
  void settle(Slot& slot, Fate fate);
  void fail_slot(Slot& slot, Errc code, std::string_view text);
  Status send(const Slot& slot);
  Error out_of_time(Millis limit) const;
  bool drop_unknown(std::string_view id);
  bool drop(std::uint64_t& counter, std::string_view cause, std::string_view text);

  async::Loop& loop_;
  log::Limiter limiter_;
  Uplink* uplink_ = nullptr;
  async::Event has_uplink_;
  std::vector<std::unique_ptr<Slot>> slots_;  // grows to what was needed at once
  std::vector<Slot*> free_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t asked_ = 0;
  std::array<Past, kRemembered> past_;
  std::size_t next_past_ = 0;
  Dropped dropped_;
};

struct GuestHalf::Slot {
  explicit Slot(async::Loop& loop) : done(loop) {}
  Uuid id{};
  // The requester's, while waiting.
  std::string_view ns, payload;
  WallTime asked_at;
  std::uint64_t order = 0;
  bool waiting = false;
  bool sent = false;  // to the uplink that is connected now
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
