// Options of an applet, read by CLI11, with the errors of this program's style. CLI11 itself stays
// in the source file: it takes seconds to compile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "applet.h"

namespace shed::applets {

class CommandLine {
 public:
  // `usage` stands in errors and in --help: "shed-ext up".
  CommandLine(const Applet& applet, std::string usage);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // `name` is "--config". The targets must outlive parse(), and keep their value when the option is
  // not given; help shows it as the default.
  void option(std::string_view name, std::string& target, std::string help);
  // One that may stand several times; each adds a value.
  void repeated_option(std::string_view name, std::vector<std::string>& target, std::string help);
  void flag(std::string_view name, bool& given, std::string help);
  // "--init [VALUE]": `given` tells that the option is there, `target` its value, if any.
  void option_with_optional_value(std::string_view name, bool& given, std::string& target, std::string help);
  // A command behind the applet's name, with flags and options of its own.
  void command(std::string_view name, bool& given, std::string help);
  // Its options take no empty value: a variable that a script did not set would mean "all of them".
  void command_flag(std::string_view command, std::string_view name, bool& given, std::string help);
  void command_option(std::string_view command, std::string_view name, std::string& target, std::string help);
  // What is said of a word that is no option, where one is likely and there is something to say.
  void no_words(std::string remedy);
  void footer(std::string text);

  // Options work with one dash or two. Nothing when the applet is to go on; else its exit status:
  // 0 after --help (on stdout), 2 after one line about what is wrong (on stderr).
  std::optional<int> parse(Arguments arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shed::applets
