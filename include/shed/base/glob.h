// Names against patterns with '*' (any text, also none) and '?' (any character).
#pragma once

#include <string_view>

namespace shed {

enum class LetterCase { kMatters, kIgnored };  // of ASCII letters

// Bytes, without a meaning for any other character. Takes at most the product of both lengths; allocates
// nothing.
bool glob_matches(std::string_view text, std::string_view pattern,
                  LetterCase letter_case = LetterCase::kMatters);

}  // namespace shed
