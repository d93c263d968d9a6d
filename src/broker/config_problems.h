// Collects what is wrong in one file.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "shed/broker/config_problem.h"

namespace shed::broker {

struct Position {
  int line = 0;
  int column = 0;
};

// A text of the file as part of a message: control characters as \xNN, and at most 80 bytes of it.
std::string shown(std::string_view text);

class Problems {
 public:
  explicit Problems(std::string_view file) : file_(file) {}

  template <class... Args>
  void add(Position at, fmt::format_string<Args...> format, Args&&... args) {
    append(found_, at, fmt::format(format, std::forward<Args>(args)...));
  }
  // Not wrong, but worth a line.
  template <class... Args>
  void note(Position at, fmt::format_string<Args...> format, Args&&... args) {
    append(notices_, at, fmt::format(format, std::forward<Args>(args)...));
  }

  bool empty() const { return found_.empty(); }
  // In the order of the file.
  ConfigProblems take();
  ConfigProblems take_notices();

 private:
  void append(ConfigProblems& list, Position at, std::string text);

  std::string file_;
  ConfigProblems found_;
  ConfigProblems notices_;
};

}  // namespace shed::broker
