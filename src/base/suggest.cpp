#include "shed/base/suggest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace shed {
namespace {

// Nothing that a person may mean is longer; keeps the work and the table small.
constexpr std::size_t kLongest = 64;
constexpr std::size_t kMostEdits = 3;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. Letters of
// another case are equal: who types "Policy" means "policy".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, kLongest + 1>, kLongest + 1> edits;
  for (std::size_t i = 0; i <= a.size(); ++i) edits[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) edits[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char x = lower(a[i - 1]), y = lower(b[j - 1]);
      std::size_t best = std::min(edits[i - 1][j], edits[i][j - 1]) + 1;
      best = std::min(best, edits[i - 1][j - 1] + (x == y ? 0 : 1));
      if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2])) {
        best = std::min(best, edits[i - 2][j - 2] + 1);
      }
      edits[i][j] = best;
    }
  }
  return edits[a.size()][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates) {
  if (typed.size() > kLongest) return {};
  std::string_view best;
  std::size_t best_edits = kMostEdits + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const std::size_t allowed = std::min(kMostEdits, std::max(typed.size(), candidate.size()) / 3);
    const std::size_t edits = edit_distance(typed, candidate);
    if (edits > allowed || edits >= best_edits) continue;
    best = candidate;
    best_edits = edits;
  }
  return best;
}

}  // namespace shed
