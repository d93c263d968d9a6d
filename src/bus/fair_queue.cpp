#include "shed/bus/fair_queue.h"

#include <algorithm>
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

bool FairQueue::may_be_taken(const Lane& lane) const {
  if (!lane.first->is_request) return true;
  if (unanswered_ >= kPlaces) return false;
  return lane.unanswered < (unanswered_ < kBusy ? kWindow : kSmallWindow);
}

void FairQueue::line_up(Lane& lane) {
  if (!lane.first) return lane.unlink();
  may_be_taken(lane) ? ring_.push_back(lane) : parked_.push_back(lane);
}

// Places have become free. For one of them that is the lane that has waited longest and may have it; more
// lanes than places are parked again when it is their turn.
void FairQueue::wake_parked(Wake how_many) {
  Lane* first = nullptr;
  while (!parked_.empty() && first != &parked_.front()) {
    Lane& lane = parked_.front();
    line_up(lane);
    if (!may_be_taken(lane)) {
      if (first == nullptr) first = &lane;
    } else if (how_many == Wake::kOne) {
      return;
    }
  }
}

void FairQueue::push(GuestAccount& guest, std::string_view json, bool is_request) {
  auto message = new_message();
  net::append_event(message->event, json);
  message->is_request = is_request;
  size_ += message->event.size();
  guest.queued += message->event.size();
  Lane& lane = lanes_[&guest];
  lane.guest = &guest;
  Message* const added = message.get();
  if (lane.first) {
    lane.last->next = std::move(message);
  } else {
    lane.first = std::move(message);
    line_up(lane);
  }
  lane.last = added;
}

void FairQueue::settle(GuestAccount& guest) {
  const auto found = lanes_.find(&guest);
  if (found == lanes_.end()) return;
  --found->second.unanswered;
  --unanswered_;
  wake_parked(Wake::kOne);
}

std::unique_ptr<FairQueue::Message> FairQueue::pop(Lane& lane) {
  auto message = std::move(lane.first);
  lane.first = std::move(message->next);
  size_ -= message->event.size();
  lane.guest->queued -= message->event.size();
  return message;
}

void FairQueue::take(Buffer& batch) {
  while (!ring_.empty() && batch.size() < kBatch) {
    Lane& lane = ring_.front();
    // Others may have filled the listener since it was lined up.
    if (!may_be_taken(lane)) {
      parked_.push_back(lane);
      continue;
    }
    auto message = pop(lane);
    if (message->is_request) {
      ++lane.unanswered;
      ++unanswered_;
    }
    line_up(lane);
    batch.append(message->event.view());
    recycle(std::move(message));
  }
}

std::size_t FairQueue::drop_waiting(GuestAccount& guest) {
  const auto found = lanes_.find(&guest);
  if (found == lanes_.end()) return 0;
  Lane& lane = found->second;
  while (lane.first) recycle(pop(lane));
  line_up(lane);
  // What was given up before it was taken is gone with the rest.
  const std::ptrdiff_t unanswered = std::max<std::ptrdiff_t>(lane.unanswered, 0);
  unanswered_ += unanswered - lane.unanswered;
  lane.unanswered = unanswered;
  // It may have been woken for a place that it does not take now.
  wake_parked(Wake::kAll);
  return static_cast<std::size_t>(unanswered);
}

void FairQueue::drop(GuestAccount& guest) {
  unanswered_ -= static_cast<std::ptrdiff_t>(drop_waiting(guest));
  lanes_.erase(&guest);
  wake_parked(Wake::kAll);
}

}  // namespace shed::bus
