#include "shed/bus/fair_queue.h"

#include <utility>

#include "shed/net/event_stream.h"

namespace shed::bus {
namespace {

// Messages that are kept for the next ones, and how large each of them may be: 256 KiB together.
constexpr std::size_t kMaxFree = 64;
constexpr std::size_t kKeptCapacity = 4096;

}  // namespace

FairQueue::~FairQueue() {
  for (auto& [guest, lane] : lanes_) {
    while (lane.first) pop(lane);
  }
  // One by one: a chain of owners would be destroyed by recursion.
  while (free_) free_ = std::move(free_->next);
}

std::unique_ptr<FairQueue::Message> FairQueue::new_message() {
  if (!free_) return std::make_unique<Message>();
  --free_count_;
  auto message = std::move(free_);
  free_ = std::move(message->next);
  return message;
}

void FairQueue::recycle(std::unique_ptr<Message> message) {
  if (free_count_ == kMaxFree || message->event.capacity() > kKeptCapacity) return;
  message->event.clear();
  message->next = std::move(free_);
  free_ = std::move(message);
  ++free_count_;
}

void FairQueue::push(GuestAccount& guest, std::string_view json) {
  auto message = new_message();
  net::append_event(message->event, json);
  size_ += message->event.size();
  guest.queued += message->event.size();
  Lane& lane = lanes_[&guest];
  lane.guest = &guest;
  Message* const added = message.get();
  if (lane.first) {
    lane.last->next = std::move(message);
  } else {
    lane.first = std::move(message);
    ring_.push_back(lane);
  }
  lane.last = added;
}

std::unique_ptr<FairQueue::Message> FairQueue::pop(Lane& lane) {
  auto message = std::move(lane.first);
  lane.first = std::move(message->next);
  size_ -= message->event.size();
  lane.guest->queued -= message->event.size();
  if (!lane.first) lane.unlink();
  return message;
}

void FairQueue::take(Buffer& batch) {
  while (!ring_.empty() && batch.size() < kBatch) {
    Lane& lane = ring_.front();
    auto message = pop(lane);
    if (lane.first) ring_.push_back(lane);
    batch.append(message->event.view());
    recycle(std::move(message));
  }
}

void FairQueue::drop(GuestAccount& guest) {
  const auto lane = lanes_.find(&guest);
  if (lane == lanes_.end()) return;
  while (lane->second.first) recycle(pop(lane->second));
  lanes_.erase(lane);
}

}  // namespace shed::bus
