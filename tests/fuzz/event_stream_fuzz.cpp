// Any bytes as an event stream, in pieces of any size: the events are those that a reader written the plain
// way finds, and the bounds hold. What append_event() wrote is read back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "shed/net/event_stream.h"

namespace {

using namespace shed;

constexpr std::size_t kMaxEvent = 96;
// What the reader may hold beyond an event: its framing, and the piece that came last.
constexpr std::size_t kSlack = 64;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  std::vector<std::string> events;
  bool failed = false;
};

// Whoever parses the event may look at the padding.
std::string take(std::string_view event) {
  volatile char last = event.data()[event.size() + kJsonPadding - 1];
  static_cast<void>(last);
  return std::string(event);
}

// `next_size` says how long the next piece is.
template <class Sizes>
Outcome read_in_pieces(std::string_view bytes, Sizes next_size) {
  net::EventStreamReader reader(kMaxEvent);
  Outcome outcome;
  while (!bytes.empty()) {
    const std::size_t count = std::min(next_size(), bytes.size());
    reader.input().append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        outcome.failed = true;
        return outcome;
      }
      if (!*event) break;
      require((*event)->size() <= kMaxEvent);
      outcome.events.push_back(take(**event));
    }
    require(reader.input().size() <= kMaxEvent + kSlack);
  }
  return outcome;
}

// The lines that have ended. A line end is LF, CR LF or CR.
std::vector<std::string> lines_of(std::string_view bytes) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\n' && bytes[i] != '\r') {
      line += bytes[i];
      continue;
    }
    if (bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n') ++i;
    lines.push_back(std::exchange(line, {}));
  }
  return lines;
}

// Without bounds.
std::vector<std::string> read_plainly(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  std::vector<std::string> events;
  std::vector<std::string> data;
  for (const std::string& line : lines_of(bytes)) {
    if (line.empty() && !data.empty()) {
      std::string event = data.front();
      for (std::size_t i = 1; i < data.size(); ++i) event += '\n' + data[i];
      events.push_back(event);
      data.clear();
    }
    const std::size_t colon = std::min(line.find(':'), line.size());
    if (line.substr(0, colon) != "data") continue;
    std::string value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.erase(0, 1);
    data.push_back(value);
  }
  return events;
}

// An error may come before every event was read, never another event.
void compare(const Outcome& outcome, const std::vector<std::string>& wanted) {
  require(outcome.events.size() <= wanted.size());
  require(std::equal(outcome.events.begin(), outcome.events.end(), wanted.begin()));
  require(outcome.failed || outcome.events.size() == wanted.size());
}

void read_any(std::string_view bytes, std::size_t piece) {
  const std::vector<std::string> wanted = read_plainly(bytes);
  const Outcome even = read_in_pieces(bytes, [=] { return piece; });
  compare(even, wanted);
  std::uint32_t state = static_cast<std::uint32_t>(piece);
  const Outcome uneven = read_in_pieces(bytes, [&] {
    state = state * 1'664'525 + 1'013'904'223;
    return std::size_t{1} + (state >> 28);
  });
  compare(uneven, wanted);
  // What no bound could object to must not fail, however it is cut.
  if (bytes.size() <= kMaxEvent) require(!even.failed && !uneven.failed);
}

// The bytes as messages, separated by zeros.
void read_back(std::string_view bytes, std::size_t piece) {
  Buffer stream;
  std::vector<std::string> wanted;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    std::string message(bytes.substr(0, std::min(end, kMaxEvent)));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    net::append_event(stream, message);
    std::ranges::replace(message, '\n', ' ');
    std::ranges::replace(message, '\r', ' ');
    wanted.push_back(message);
  }
  const Outcome outcome = read_in_pieces(stream.view(), [=] { return piece; });
  require(!outcome.failed && outcome.events == wanted);
}

}  // namespace

// The first byte says how it is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = std::size_t{data[0]} % 64 + 1;
  read_any(bytes, piece);
  read_back(bytes, piece);
  return 0;
}
