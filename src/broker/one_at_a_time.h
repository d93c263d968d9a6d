// A person who is shown one question at a time: a window, a terminal, a sensor has room for one.
#pragma once

#include <memory>
#include <vector>

#include "shed/async/event.h"
#include "shed/broker/person.h"

namespace shed::broker {

// The others wait within their time. Guests take turns: each of those that wait has one before the first has
// its second, so that the questions of some do not use up the time of all.
class OneAtATime : public Person {
 public:
  OneAtATime(async::Loop& loop, std::string_view method) : loop_(loop), method_(method) {}
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;

  std::string_view method() const final { return method_; }
  async::Task<Answer> ask(ApprovalQuestion question, std::uint64_t count, Millis limit) final;

 protected:
  // No other question is shown while this runs. Must end within `limit`, or be dropped without trace.
  virtual async::Task<Answer> show(ApprovalQuestion question, std::uint64_t count, Millis limit) = 0;

  static Answer denied(std::string reason);
  static Answer timed_out(Millis limit);
  async::Loop& loop() const { return loop_; }

 private:
  class Place;
  // Empty when the question may wait for its turn.
  std::string why_not_now(const std::string& guest) const;
  void call_next();

  async::Loop& loop_;
  std::string method_;
  std::vector<Place*> places_;  // in the order of their turns
  Place* shown_ = nullptr;
  std::string last_guest_;
};

}  // namespace shed::broker
