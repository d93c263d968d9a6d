// Lines for a person on stderr: "<applet>: <object>: <cause>". One line a call, control characters
// from outside made visible, so that nobody can forge a line. A line ends at 4,096 bytes: up to there
// one write is never mixed with another process's. From one thread only.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"

namespace shed::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// "<program>: <text>", with "debug: ", "warning: " or "error: " in front of the text for the other
// levels. kInfo and above are written by default.
void set_program(std::string_view name);
void set_level(Level lowest);
// Where lines go instead of stderr (a log file, a test), whole but for the line end. An empty function
// restores stderr.
void set_sink(std::function<void(Level, std::string_view line)> sink);

void write(Level level, std::string_view text);
// A line without a label, whatever the lowest level: for the one line with which a program ends.
void say(std::string_view text);

// The text with control characters and what is not UTF-8 made visible, cut at 4,096 bytes: for text
// from outside that goes to a terminal by another way than write().
std::string printable(std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

// Lets one line per cause and minute through and counts the rest, for what a guest can provoke at
// will. At most 64 causes are remembered; the oldest makes room.
class Limiter {
 public:
  explicit Limiter(const Clock& clock);
  // Writes `text`, or counts it. The next line of the same cause says how many were left out.
  void warning(std::string_view cause, std::string_view text);

 private:
  struct Entry {
    std::string cause;
    SteadyTime last;
    unsigned suppressed = 0;
  };
  const Clock& clock_;
  std::vector<Entry> entries_;
};

}  // namespace shed::log
