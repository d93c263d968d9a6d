#include "command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "shed/base/log.h"
#include "shed/base/suggest.h"

namespace shed::applets {

CommandLine::CommandLine(const Applet& applet, std::string usage)
    : app_(std::string(applet.summary), usage), usage_(std::move(usage)) {
  app_.set_help_flag("-h,--help", "Print this help");
  app_.option_defaults()->take_last();
  app_.allow_extras();
}

std::optional<int> CommandLine::parse(Arguments arguments) {
  // "-config" is "--config": the programs that came before this one were written in Go.
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument.size() > 2 && argument[0] == '-' && argument[1] != '-') argument.insert(0, 1, '-');
  }
  std::ranges::reverse(arguments);  // as CLI11 wants them
  try {
    app_.parse(arguments);
    const auto extras = app_.remaining(true);
    if (extras.empty()) return std::nullopt;
    fmt::print(stderr, "{}: {}\n", usage_, suggest(extras.front()));
    return 2;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app_.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {}\n", usage_, explain(error));
    return 2;
  }
}

std::string CommandLine::explain(const CLI::ParseError& error) const {
  std::string text = error.what();
  std::ranges::replace(text, '\n', ' ');
  return fmt::format("{}; '{} --help' tells more", log::printable(text), usage_);
}

std::string CommandLine::suggest(const std::string& typed) const {
  const bool option = typed.starts_with("-");
  std::vector<std::string> known;
  for (const CLI::Option* candidate : app_.get_options()) {
    for (const std::string& name : candidate->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* command : app_.get_subcommands(nullptr)) known.push_back(command->get_name());
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view meant = nearest(typed.substr(0, typed.find('=')), views);
  return fmt::format("unknown {} '{}', {}", option ? "option" : "argument", log::printable(typed),
                     meant.empty() ? fmt::format("'{} --help' lists them", usage_)
                                   : fmt::format("did you mean '{}'?", meant));
}

}  // namespace shed::applets
