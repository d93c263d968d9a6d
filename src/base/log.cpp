#include "shed/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/utf8.h"

namespace shed::log {
namespace {

// Up to this length one write to a pipe is never mixed with another process's (PIPE_BUF on Linux).
constexpr std::size_t kLongestLine = 4096;
constexpr std::string_view kCut = "...";

constexpr std::size_t kMostCauses = 64;
constexpr std::size_t kLongestCause = 128;
constexpr Millis kPause = std::chrono::minutes(1);

struct Settings {
  std::string program = "shed-ext";
  Level lowest = Level::kInfo;
  std::function<void(Level, std::string_view)> sink;
};

Settings& settings() {
  static Settings settings;
  return settings;
}

std::string_view label(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug: ";
    case Level::kWarning:
      return "warning: ";
    case Level::kError:
      return "error: ";
    case Level::kInfo:
      break;
  }
  return "";
}

// Characters without a width: with them two names that differ would look the same.
bool is_nothing(std::uint32_t code) {
  const bool joins = (code >= 0x200b && code <= 0x200d) || (code >= 0x2060 && code <= 0x206f);
  const bool filler = code == 0x115f || code == 0x1160 || code == 0x3164 || code == 0xffa0;
  return joins || filler || code == 0xad || code == 0x34f || code == 0x180e || code == 0xfeff ||
         (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

// Not so are characters that move the cursor, end a line or turn the direction of writing: with them a text
// from outside could look like a line of ours.
bool is_visible(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || is_nothing(code)) return false;
  const bool line_end = code == 0x2028 || code == 0x2029;
  const bool direction = code == 0x061c || code == 0x200e || code == 0x200f ||
                         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return !line_end && !direction;
}

std::string visible(std::uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  return code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
}

void append_visible(std::string& line, std::string_view text) {
  while (!text.empty()) {
    const auto [code, length] = first_utf8_character(text);
    const std::string piece = length == 0 ? fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]))
                              : is_visible(code) ? std::string(text.substr(0, length))
                                                 : visible(code);
    if (line.size() + piece.size() + kCut.size() + 1 > kLongestLine) {
      line += kCut;
      return;
    }
    line += piece;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

void write_to_stderr(std::string_view line) {
  // One call for the line. Nobody is there to tell when it fails.
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace

void set_program(std::string_view name) { settings().program = name; }
void set_level(Level lowest) { settings().lowest = lowest; }
void set_sink(std::function<void(Level, std::string_view line)> sink) { settings().sink = std::move(sink); }

std::string printable(std::string_view text) {
  std::string line;
  append_visible(line, text);
  return line;
}

namespace {

void write_line(Level level, std::string_view text) {
  std::string line;
  append_visible(line, settings().program);
  line += ": ";
  line += label(level);
  append_visible(line, text);
  if (settings().sink) return settings().sink(level, line);
  line.push_back('\n');
  write_to_stderr(line);
}

}  // namespace

void write(Level level, std::string_view text) {
  if (level >= settings().lowest) write_line(level, text);
}

void say(std::string_view text) { write_line(Level::kInfo, text); }

Limiter::Limiter(const Clock& clock) : clock_(clock) {}

void Limiter::warning(std::string_view cause, std::string_view text) {
  cause = cause.substr(0, kLongestCause);
  const SteadyTime now = clock_.now();
  auto entry = std::ranges::find(entries_, cause, &Entry::cause);
  if (entry == entries_.end()) {
    if (entries_.size() == kMostCauses) entries_.erase(std::ranges::min_element(entries_, {}, &Entry::last));
    entries_.push_back({std::string(cause), now, 0});
    return write(Level::kWarning, text);
  }
  if (now - entry->last < kPause) {
    ++entry->suppressed;
    return;
  }
  entry->last = now;
  const unsigned suppressed = std::exchange(entry->suppressed, 0);
  if (suppressed == 0) return write(Level::kWarning, text);
  write(Level::kWarning, fmt::format("{} ({} more like this were left out)", text, suppressed));
}

}  // namespace shed::log
