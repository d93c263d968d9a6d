// FairQueue: messages of many guests for one listener, taken in turns.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "shed/async/list.h"
#include "shed/base/buffer.h"

namespace shed::bus {

// What one guest has under way in all namespaces together. Belongs to the guest, which outlives every
// queue that has something of it, or is dropped from it.
struct GuestAccount {
  std::size_t in_flight = 0;  // requests that a listener may still answer
  std::size_t queued = 0;     // bytes that no listener has taken yet
};

// Each guest has a lane; lanes with messages that may be taken stand in a ring. Knows no bounds of memory:
// who pushes asks size() and the account first. Memory of messages that were taken serves the next ones.
//
// A listener works on so many requests at once; of more than twice as many it drops the rest without a word.
// So what is over its places stays here, and a guest has a window: with as many requests unanswered its next
// ones stay here, too, and no guest takes all the places.
class FairQueue {
 public:
  static constexpr std::ptrdiff_t kWindow = 64;
  // With so many unanswered in all, a guest has a small window: the places that are left are for those that
  // ask little.
  static constexpr std::ptrdiff_t kBusy = 192;
  static constexpr std::ptrdiff_t kSmallWindow = 4;
  // With so many, everybody waits. Our host agent works on 256, and for a moment also on what it has just
  // answered.
  static constexpr std::ptrdiff_t kPlaces = 240;
  // What take() stops at: a message that comes meanwhile waits behind so much, not behind all there is.
  static constexpr std::size_t kBatch = std::size_t{64} * 1024;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue();

  // The message as a server-sent event, behind the others of this guest.
  void push(GuestAccount& guest, std::string_view json, bool is_request);
  // One of the guest's requests has its answer, or will have none.
  void settle(GuestAccount& guest);
  // Appends events to `batch`: one of each guest in turn, until kBatch bytes are there or none is left.
  void take(Buffer& batch);
  // Forgets what of the guest was not taken yet. Returns how much that was taken is unanswered: that counts
  // until it is settled, as before.
  std::size_t drop_waiting(GuestAccount& guest);
  // Forgets the guest and what it has here.
  void drop(GuestAccount& guest);

  std::size_t size() const { return size_; }  // bytes
  // Something may be taken.
  bool ready() const { return !ring_.empty(); }

 private:
  struct Message {
    Buffer event;
    bool is_request = false;
    std::unique_ptr<Message> next;
  };
  struct Lane : async::ListHook {
    GuestAccount* guest = nullptr;
    std::unique_ptr<Message> first;
    Message* last = nullptr;
    std::ptrdiff_t unanswered =
        0;  // taken; less than none while requests are given up that were not taken yet
  };

  std::unique_ptr<Message> new_message();
  void recycle(std::unique_ptr<Message> message);
  std::unique_ptr<Message> pop(Lane& lane);
  bool may_be_taken(const Lane& lane) const;
  void line_up(Lane& lane);
  enum class Wake { kOne, kAll };
  void wake_parked(Wake how_many);

  std::unordered_map<GuestAccount*, Lane> lanes_;
  async::IntrusiveList<Lane> ring_;
  async::IntrusiveList<Lane> parked_;  // with messages, and no place for the first of them
  std::ptrdiff_t unanswered_ = 0;      // of all lanes
  std::unique_ptr<Message> free_;
  std::size_t free_count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace shed::bus
