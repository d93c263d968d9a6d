// The lines of a log beside those that its chain vouches for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/audit_mac.h"

namespace shed::broker {

struct LineDigest {
  Digest digest{};
  bool ended = true;  // with a newline
};

// The lines of `fd` from `start` up to `end`, at most `most` of them, whatever their length.
Result<std::vector<LineDigest>> digest_lines(int fd, std::uint64_t start, std::uint64_t end,
                                             std::size_t most);

// The first difference: how many lines are as expected before it, and what happened to the next one.
struct Difference {
  std::size_t line = 0;  // from 0
  std::string what;      // "the line was removed"
};
// `first` is the number of the first line, for the text. Names what explains the lines that follow: looks
// at most kWindow lines ahead.
inline constexpr std::size_t kCompareWindow = 4096;
std::optional<Difference> compare_lines(std::span<const LineDigest> expected,
                                        std::span<const LineDigest> found, std::uint64_t first);

}  // namespace shed::broker
