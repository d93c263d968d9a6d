// The lines that are logged while this lives, instead of on stderr.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/log.h"

namespace shed {

class LogLines {
 public:
  LogLines() {
    log::set_sink([this](log::Level level, std::string_view line) {
      lines.emplace_back(line);
      if (level >= log::Level::kWarning) warnings.emplace_back(line);
    });
  }
  ~LogLines() { log::set_sink({}); }
  LogLines(const LogLines&) = delete;

  // How many lines have this text in them.
  std::size_t count(std::string_view text) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        lines, [text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

  std::vector<std::string> lines;
  std::vector<std::string> warnings;  // those of the lines that say that something is wrong
};

}  // namespace shed
