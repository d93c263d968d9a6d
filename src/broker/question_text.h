// A question as a person reads it in a window or on a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "shed/broker/approval.h"

namespace shed::broker {

struct QuestionText {
  std::string text;   // some short lines, without a line end behind the last one; at most kMost bytes
  bool whole = true;  // false when something was too long to be shown whole
  static constexpr std::size_t kMost = 1'000;
};

// The guest, what it wants, with which key, and how often it has asked. Text from the guest can neither begin
// a line nor look like markup or an option: what it could do that with is made visible.
QuestionText question_text(const ApprovalQuestion& question, std::uint64_t count);

}  // namespace shed::broker
