#include "broker/one_at_a_time.h"

#include <algorithm>
#include <iterator>

namespace shed::broker {

// Where a question waits, and is shown. Lives in the task that asks.
class OneAtATime::Place {
 public:
  Place(OneAtATime& owner, std::string whose) : guest(std::move(whose)), called(owner.loop_), owner_(owner) {
    owner_.places_.push_back(this);
    if (owner_.shown_ == nullptr) owner_.call_next();
  }
  Place(const Place&) = delete;
  ~Place() {
    std::erase(owner_.places_, this);
    if (owner_.shown_ == this) owner_.call_next();
  }

  const std::string guest;
  async::Event called;

 private:
  OneAtATime& owner_;
};

void OneAtATime::call_next() {
  shown_ = nullptr;
  if (places_.empty()) return;
  // Whose turn it was is behind everybody else.
  std::vector<Place*> last;
  std::ranges::copy_if(places_, std::back_inserter(last),
                       [this](const Place* place) { return place->guest == last_guest_; });
  std::erase_if(places_, [this](const Place* place) { return place->guest == last_guest_; });
  places_.insert(places_.end(), last.begin(), last.end());
  shown_ = places_.front();
  last_guest_ = shown_->guest;
  shown_->called.set();
}

std::string OneAtATime::why_not_now(const std::string& guest) const {
  if (std::string reason = why_nobody(); !reason.empty()) return reason;
  if (places_.size() >= kMaxOpen)
    return fmt::format("{} questions wait already; answer them first", kMaxOpen);
  const auto of_guest =
      std::ranges::count_if(places_, [&](const Place* place) { return place->guest == guest; });
  if (static_cast<std::size_t>(of_guest) < kMaxOpenOfGuest) return {};
  return fmt::format("{} questions of this guest wait already; answer them first", kMaxOpenOfGuest);
}

async::Task<Person::Answer> OneAtATime::ask(ApprovalQuestion question, std::uint64_t count, Millis limit) {
  const SteadyTime start = loop_.clock().now();
  // No name of a server has a NUL.
  std::string guest = question.server + '\0' + question.shed;
  std::string reason = why_not_now(guest);
  if (!reason.empty()) co_return denied(std::move(reason));
  Place place(*this, std::move(guest));
  auto called = place.called.wait_for(limit);
  const bool in_time = co_await called;
  const Millis left = limit - std::chrono::duration_cast<Millis>(loop_.clock().now() - start);
  if (!in_time || left <= Millis(0)) {
    Answer late = timed_out(limit);
    late.reason += ": another question was open";
    co_return late;
  }
  auto showing = show(std::move(question), count, left);
  Answer answer = co_await std::move(showing);
  co_return answer;
}

Person::Answer OneAtATime::denied(std::string reason) {
  Answer answer;
  answer.reason = std::move(reason);
  return answer;
}

Person::Answer OneAtATime::timed_out(Millis limit) {
  Answer answer = denied("nobody answered within " + format_duration(limit));
  answer.timed_out = true;
  return answer;
}

}  // namespace shed::broker
