// Options of an applet, read by CLI11, with the errors of this program's style.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "applet.h"

namespace shed::applets {

class CommandLine {
 public:
  // `usage` stands in errors and in --help: "shed-ext up".
  CommandLine(const Applet& applet, std::string usage);

  CLI::App& options() { return app_; }

  // Options work with one dash or two. Nothing when the applet is to go on; else its exit status:
  // 0 after --help (on stdout), 2 after one line about what is wrong (on stderr).
  std::optional<int> parse(Arguments arguments);

 private:
  std::string explain(const CLI::ParseError& error) const;
  std::string suggest(const std::string& typed) const;
  CLI::App app_;
  std::string usage_;
};

}  // namespace shed::applets
