#include "shed/base/glob.h"

namespace shed {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_same(char a, char b, LetterCase letter_case) {
  return a == b || (letter_case == LetterCase::kIgnored && to_lower(a) == to_lower(b));
}

}  // namespace

bool glob_matches(std::string_view text, std::string_view pattern, LetterCase letter_case) {
  std::size_t at = 0, in_pattern = 0;
  // Only the last '*' is ever taken back: what an earlier one could take, the last one can as well.
  std::size_t star = pattern.npos, star_at = 0;
  while (at < text.size()) {
    const bool left = in_pattern < pattern.size();
    if (left && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (left && (pattern[in_pattern] == '?' || is_same(pattern[in_pattern], text[at], letter_case))) {
      ++at, ++in_pattern;
    } else if (star != pattern.npos) {
      in_pattern = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', in_pattern) == pattern.npos;
}

}  // namespace shed
