#include "broker/config_problems.h"

#include <algorithm>
#include <tuple>

namespace shed::broker {

namespace {

// Enough for a person; a megabyte of unknown keys must not become a megabyte of messages.
constexpr std::size_t kMaxProblems = 100;
constexpr std::size_t kMaxShown = 80;

ConfigProblems in_file_order(ConfigProblems&& list) {
  std::ranges::sort(list, {}, [](const ConfigProblem& problem) {
    return std::tuple<int, int, std::string_view>(problem.line, problem.column, problem.text);
  });
  if (list.size() > kMaxProblems) {
    ConfigProblem& last = list[kMaxProblems - 1];
    last.text = "and more problems from here on, left out";
    list.resize(kMaxProblems);
  }
  return std::move(list);
}

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string shown(std::string_view text) {
  const bool cut = text.size() > kMaxShown;
  if (cut) {
    std::size_t end = kMaxShown;
    while (end > 0 && continues_character(text[end])) --end;
    text = text.substr(0, end);
  }
  std::string out;
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", value);
    } else {
      out += byte;
    }
  }
  if (cut) out += "...";
  return out;
}

std::string ConfigProblem::format() const {
  if (line == 0) return fmt::format("{}: {}", file, text);
  return fmt::format("{}:{}:{}: {}", file, line, column, text);
}

void Problems::append(ConfigProblems& list, Position at, std::string text) {
  // One more than is shown, so that take() knows that something was left out.
  if (list.size() <= kMaxProblems) list.push_back({file_, at.line, at.column, std::move(text)});
}

ConfigProblems Problems::take() { return in_file_order(std::move(found_)); }
ConfigProblems Problems::take_notices() { return in_file_order(std::move(notices_)); }

}  // namespace shed::broker
