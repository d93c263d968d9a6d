// What is kept for a grant, and what its age allows.
#pragma once

#include <memory>
#include <optional>

#include "flight.h"
#include "shed/async/event.h"
#include "shed/aws/credential_service.h"

namespace shed::aws {

// Both clocks at one moment. They part when a laptop sleeps, and when somebody sets the time.
struct Moment {
  SteadyTime steady;
  WallTime wall;
};

struct CacheEntry {
  explicit CacheEntry(async::Loop& loop) : changed(loop) {}

  void keep(SharedCredentials fetched, Moment now, Millis refresh_before);
  void drop();  // forgets the credentials

  // How much longer they are valid, by the clock that leaves less; nothing below zero.
  Millis left(Moment now) const;
  bool valid(Moment now) const { return credentials != nullptr && left(now) > Millis(0); }
  // Valid for long enough to be served without asking again.
  bool fresh(Moment now) const { return credentials != nullptr && left(now) > margin; }
  // Whether somebody has used it within one session.
  bool in_use(SteadyTime now) const { return now - last_used < lifetime; }
  bool failed_lately(SteadyTime now) const {
    return failure && now - fetched_at < CredentialService::kFailureMemory;
  }

  SharedCredentials credentials;
  Moment obtained{};
  Millis lifetime{0};
  Millis margin{0};
  SteadyTime last_used{};

  std::optional<Failure> failure;  // of the last fetch
  SteadyTime fetched_at{};         // when the last fetch ended

  std::shared_ptr<Flight<SharedCredentials>> flight;
  bool tended = false;  // a task refreshes it
  bool told_of_clamping = false;
  async::Event changed;  // wakes the task that tends it
};

}  // namespace shed::aws
