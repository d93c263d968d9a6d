// Long texts, shortened without hiding what stands at their end: `login <a name without end>@host`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shed::broker {

// At most so many bytes of the text's beginning, or of its end, and no part of a character of UTF-8.
std::string_view front_of(std::string_view text, std::size_t most);
std::string_view back_of(std::string_view text, std::size_t most);
// The text, or of one that is longer than `most` bytes its two ends with "…" between them, which counts as
// nothing.
std::string both_ends(std::string_view text, std::size_t most);

}  // namespace shed::broker
