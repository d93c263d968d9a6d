// The two ways in which a person, or a script for them, is asked.
#pragma once

#include <optional>
#include <string>

#include "shed/async/loop.h"
#include "shed/broker/approver_client.h"

namespace shed::applets {

inline constexpr int kApproved = 0, kDenied = 1, kNothingAsked = 3;

// On the terminal, until the person quits, a signal comes or another approver takes over. The exit status.
Result<int> approve_on_terminal(async::Loop& loop, broker::ApproverDesk& desk, const std::string& socket);

struct OnceOptions {
  Millis wait{60'000};                          // for a question
  std::optional<broker::PersonsChoice> choice;  // else a line of standard input
  Millis ttl{0};                                // of a grant; zero: what the configuration has
  bool json = false;
};
// "once", "session", "guest", "deny"; nothing for any other text.
std::optional<broker::PersonsChoice> parse_choice(std::string_view text);
// The first question on standard output, and its answer. The exit status.
int approve_once(async::Loop& loop, broker::ApproverDesk& desk, const std::string& socket,
                 const OnceOptions& options);

// Sets the status, 128 and the number, and the event when one of the signals comes that end a program.
async::Task<> watch_end_signals(async::Loop& loop, std::optional<int>& status, async::Event& came);

}  // namespace shed::applets
