// What is asked, in words for a person, and texts that fit on a terminal.
//
// Texts come from guests: here every one of them is made visible, each character one column wide, so that
// what is counted is what is seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/broker/approver_desk.h"

namespace shed::applets {

// Visible: control characters and what may be wider or narrower than one column stand as escapes.
std::string visible(std::string_view text);
// Of a visible text.
std::size_t columns(std::string_view text);
// A visible text, cut with a mark where it is longer.
std::string cut(std::string_view text, std::size_t width);
// In lines of `width` columns, broken anywhere. Where there are more than `most`, what is in the middle is
// left out, with a mark: the end of a text says as much as its beginning, such as the host of a login whose
// user has a name without end.
std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t most);
// Broken between words, for our own sentences.
std::vector<std::string> wrap_words(std::string_view text, std::size_t width);

// "web on mini2".
std::string guest_words(std::string_view server, std::string_view shed);
// "web asks for a signature".
std::string title_words(const broker::ApproverQuestion& question);
// What it is for: what is signed, the role, the registry.
std::string object_words(const broker::ApproverQuestion& question);
// What a person must know before a yes; empty when there is nothing.
std::string warning_words(const broker::ApproverQuestion& question);
// All of it in one line, for --once.
std::string one_line(const broker::ApproverQuestion& question, SteadyTime now);
std::string json_line(const broker::ApproverQuestion& question);

// "23 s", "4 m 10 s", "3 h 59 m"; what has begun counts.
std::string time_words(SteadyTime end, SteadyTime now);

}  // namespace shed::applets
