// A clock that stands still until a test advances it.
#pragma once

#include "shed/base/clock.h"

namespace shed {

class FakeClock : public Clock {
 public:
  // 2026-03-31T15:04:05Z, and a steady time far from zero, so that nobody relies on its origin.
  SteadyTime now() const override { return steady_; }
  WallTime wall() const override { return wall_; }

  // Both clocks move along.
  void advance(Millis by) {
    steady_ += by;
    wall_ += by;
  }
  // A person or NTP sets the wall clock; the steady one does not notice.
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  SteadyTime steady_ = SteadyTime(std::chrono::hours(1000));
  WallTime wall_ = WallTime(std::chrono::seconds(1774969445));
};

}  // namespace shed
