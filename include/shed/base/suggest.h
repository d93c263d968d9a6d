// "did you mean": the candidate nearest to what was typed.
#pragma once

#include <span>
#include <string_view>

namespace shed {

// The nearest of `candidates` by edit distance (with transpositions, whatever the case), or empty when none
// is near enough to be meant (more than a third of the letters, or more than 3, differ).
std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates);

}  // namespace shed
