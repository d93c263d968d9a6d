// One answer for all who ask the same thing while it is looked for.
#pragma once

#include <optional>
#include <utility>

#include "shed/async/event.h"
#include "shed/aws/failure.h"

namespace shed::aws {

// Shared by those who wait, who may go away at any time, and the one task that lands it.
template <class T>
struct Flight {
  explicit Flight(async::Loop& loop) : done(loop) {}

  void land(Outcome<T> outcome) {
    result.emplace(std::move(outcome));
    done.set();
  }

  async::Event done;
  std::optional<Outcome<T>> result;
};

}  // namespace shed::aws
