#include "broker/audit_compare.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace shed::broker {
namespace {

constexpr std::size_t kReadStep = std::size_t{64} * 1024;

using Lines = std::span<const LineDigest>;

bool same(const LineDigest& a, const LineDigest& b) { return a.digest == b.digest; }

// Where in the window the line stands; nothing when it does not.
std::optional<std::size_t> find_line(const LineDigest& line, Lines in) {
  const Lines window = in.first(std::min(in.size(), kCompareWindow));
  const auto at = std::ranges::find(window, line.digest, &LineDigest::digest);
  if (at == window.end()) return std::nullopt;
  return static_cast<std::size_t>(at - window.begin());
}

std::string plural(std::uint64_t first, std::size_t count, std::string_view what) {
  return count == 1 ? fmt::format("the line was {}", what)
                    : fmt::format("lines {} to {} were {}", first, first + count - 1, what);
}

// Whether any line behind the first is where it should be, or at all there.
bool anything_fits(Lines expected, Lines found) {
  const std::size_t window = std::min(found.size(), kCompareWindow);
  for (std::size_t i = 0; i < window; ++i) {
    if (i < expected.size() && same(expected[i], found[i])) return true;
  }
  return !expected.empty() && !found.empty() && find_line(expected.back(), found).has_value();
}

// Both have a line here, and they differ.
std::string explain(Lines expected, Lines found, std::uint64_t number, bool from_the_start) {
  const auto later = find_line(found[0], expected);    // what is here was to come later
  const auto further = find_line(expected[0], found);  // what was to be here comes later
  if (later && further && *later == *further) {
    return fmt::format("the line has changed places with line {}", number + *later);
  }
  if (later && (!further || *later <= *further)) return plural(number, *later, "removed");
  if (further) return plural(number, *further, "added");
  if (!found[0].ended) return "the line was cut short";
  if (from_the_start && !anything_fits(expected.subspan(1), found.subspan(1)))
    return "the file was replaced: nothing in it is what was written";
  return "the line was changed";
}

}  // namespace

std::optional<Difference> compare_lines(Lines expected, Lines found, std::uint64_t first) {
  std::size_t i = 0;
  while (i < expected.size() && i < found.size() && same(expected[i], found[i])) ++i;
  if (i == expected.size() && i == found.size()) return std::nullopt;
  const Lines rest = expected.subspan(i);
  const Lines found_rest = found.subspan(i);
  const std::uint64_t number = first + i;
  if (found_rest.empty()) return Difference{i, plural(number, rest.size(), "removed from the end")};
  if (rest.empty()) return Difference{i, plural(number, found_rest.size(), "added at the end")};
  return Difference{i, explain(rest, found_rest, number, i == 0)};
}

Result<std::vector<LineDigest>> digest_lines(int fd, std::uint64_t start, std::uint64_t end,
                                             std::size_t most) {
  std::vector<LineDigest> lines;
  Sha256 hash;
  bool open = false;  // a line has begun
  std::string buffer(kReadStep, '\0');
  const auto finish = [&](bool ended) -> Status {
    const auto digest = hash.finish();
    if (!digest) return propagate(digest);
    lines.push_back({*digest, ended});
    open = false;
    return {};
  };
  while (start < end && lines.size() < most) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), end - start);
    const ssize_t count = ::pread(fd, buffer.data(), want, static_cast<off_t>(start));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno));
    if (count == 0) break;
    std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    start += piece.size();
    while (!piece.empty() && lines.size() < most) {
      const auto newline = piece.find('\n');
      const std::size_t length = newline == piece.npos ? piece.size() : newline + 1;
      hash.update(piece.substr(0, length));
      open = true;
      piece.remove_prefix(length);
      if (newline == std::string_view::npos) continue;
      if (const Status finished = finish(true); !finished) return propagate(finished);
    }
  }
  if (open && lines.size() < most) {
    if (const Status finished = finish(false); !finished) return propagate(finished);
  }
  return lines;
}

}  // namespace shed::broker
