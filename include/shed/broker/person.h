// Who can be asked: an approver on the channel, a prompt on this machine's screen, a sensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shed/async/task.h"
#include "shed/base/clock.h"
#include "shed/broker/approval.h"

namespace shed::broker {

class Person {
 public:
  // How many questions may wait; more are denied at once, and one guest does not take the others' places.
  static constexpr std::size_t kMaxOpen = 128;
  static constexpr std::size_t kMaxOpenOfGuest = 8;

  // What became of a question. Nothing but `approved` is a yes.
  struct Answer {
    bool approved = false;
    bool timed_out = false;
    std::string decided_by;  // empty when nobody has decided
    // A yes that says nothing about its scope: it has the one of the configuration, with session_ttl. Not set
    // where the person has not seen all of the question: such a yes is for this request alone.
    bool scope_as_configured = false;
    std::optional<Scope> scope;  // as it was answered
    std::optional<Millis> ttl;   // zero for one that nobody can read
    std::string reason;          // why not, with the remedy
  };

  virtual ~Person() = default;
  // What a record's `approval` says: "shed-desktop", "prompt", "touchid", "polkit".
  virtual std::string_view method() const = 0;
  // Why nobody can be asked here, with the remedy, known from the start; empty where somebody can be.
  virtual std::string why_nobody() const = 0;
  // Asks; `count` is how often this guest has asked for the same. Ends within `limit` with a yes, or with a
  // denial and its reason. A task that is dropped takes its question back.
  virtual async::Task<Answer> ask(ApprovalQuestion question, std::uint64_t count, Millis limit) = 0;
};

}  // namespace shed::broker
