// The screen as text: a pure function of what there is to show.
#pragma once

#include <string>
#include <vector>

#include "approve/state.h"

namespace shed::applets {

struct Canvas {
  std::size_t width = 80, height = 24;
  bool colour = false;
  // Times that count down. Without them a frame changes only when something has happened.
  bool countdown = true;
  std::string socket;  // where the host agent is looked for
};

struct Frame {
  std::vector<std::string> lines;  // at most `height`, each of at most `width` columns
  // What can be answered here: ApproveState::answerable(); empty when the question did not fit.
  std::string answerable;

  bool operator==(const Frame&) const = default;
};

Frame draw(const ApproveState& state, const Canvas& canvas);

}  // namespace shed::applets
