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

// Each guest has a lane; lanes with messages stand in a ring. Knows no bounds: who pushes asks size() and
// the account first. Memory of messages that were taken serves the next ones.
class FairQueue {
 public:
  // What take() stops at: a message that comes meanwhile waits behind so much, not behind all there is.
  static constexpr std::size_t kBatch = std::size_t{64} * 1024;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue();

  // The message as a server-sent event, behind the others of this guest.
  void push(GuestAccount& guest, std::string_view json);
  // Appends events to `batch`: one of each guest in turn, until kBatch bytes are there or none is left.
  void take(Buffer& batch);
  // Forgets the guest and what it has here.
  void drop(GuestAccount& guest);

  std::size_t size() const { return size_; }  // bytes
  bool empty() const { return size_ == 0; }

 private:
  struct Message {
    Buffer event;
    std::unique_ptr<Message> next;
  };
  struct Lane : async::ListHook {
    GuestAccount* guest = nullptr;
    std::unique_ptr<Message> first;
    Message* last = nullptr;
  };

  std::unique_ptr<Message> new_message();
  void recycle(std::unique_ptr<Message> message);
  std::unique_ptr<Message> pop(Lane& lane);

  std::unordered_map<GuestAccount*, Lane> lanes_;
  async::IntrusiveList<Lane> ring_;
  std::unique_ptr<Message> free_;
  std::size_t free_count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace shed::bus
