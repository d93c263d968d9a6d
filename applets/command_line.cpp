#include "command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "shed/base/log.h"
#include "shed/base/suggest.h"

namespace shed::applets {

struct CommandLine::State {
  State(const Applet& applet, std::string name)
      : app(std::string(applet.summary), name), usage(std::move(name)) {}

  std::string explain(const CLI::ParseError& error) const {
    std::string text = error.what();
    std::ranges::replace(text, '\n', ' ');
    return fmt::format("{}; '{} --help' tells more", log::printable(text), usage);
  }

  std::string suggest(const std::string& typed) const {
    const bool is_option = typed.starts_with("-");
    if (!is_option && !word_hint.empty())
      return fmt::format("unknown argument '{}'; {}", log::printable(typed), word_hint);
    const auto commands = app.get_subcommands();  // those that were given
    const CLI::App& asked = commands.empty() ? app : *commands.front();
    const std::string name = commands.empty() ? usage : usage + " " + asked.get_name();
    std::vector<std::string> known;
    for (const CLI::Option* candidate : asked.get_options()) {
      for (const std::string& option : candidate->get_lnames()) known.push_back("--" + option);
    }
    for (const CLI::App* candidate : asked.get_subcommands(nullptr)) known.push_back(candidate->get_name());
    const std::vector<std::string_view> views(known.begin(), known.end());
    const std::string_view meant = nearest(typed.substr(0, typed.find('=')), views);
    return fmt::format("unknown {} '{}', {}", is_option ? "option" : "argument", log::printable(typed),
                       meant.empty() ? fmt::format("'{} --help' lists them", name)
                                     : fmt::format("did you mean '{}'?", meant));
  }

  CLI::App app;
  std::string usage;
  std::string word_hint;
  std::vector<std::pair<const CLI::Option*, bool*>> seen;  // where it is told that an option was given
};

CommandLine::CommandLine(const Applet& applet, std::string usage)
    : state_(std::make_unique<State>(applet, std::move(usage))) {
  state_->app.set_help_flag("-h,--help", "Print this help");
  state_->app.option_defaults()->take_last();
  state_->app.allow_extras();
}

CommandLine::~CommandLine() = default;

void CommandLine::option(std::string_view name, std::string& target, std::string help) {
  CLI::Option* added = state_->app.add_option(std::string(name), target, std::move(help));
  if (!target.empty()) added->capture_default_str();
}

void CommandLine::repeated_option(std::string_view name, std::vector<std::string>& target, std::string help) {
  state_->app.add_option(std::string(name), target, std::move(help))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void CommandLine::flag(std::string_view name, bool& given, std::string help) {
  state_->app.add_flag(std::string(name), given, std::move(help));
}

void CommandLine::option_with_optional_value(std::string_view name, bool& given, std::string& target,
                                             std::string help) {
  CLI::Option* added = state_->app.add_option(std::string(name), target, std::move(help))->expected(0, 1);
  state_->seen.emplace_back(added, &given);
}

void CommandLine::command(std::string_view name, bool& given, std::string help) {
  state_->app.add_subcommand(std::string(name), std::move(help))->callback([&given] { given = true; });
}

void CommandLine::command_flag(std::string_view command, std::string_view name, bool& given,
                               std::string help) {
  state_->app.get_subcommand(std::string(command))->add_flag(std::string(name), given, std::move(help));
}

void CommandLine::command_option(std::string_view command, std::string_view name, std::string& target,
                                 std::string help) {
  state_->app.get_subcommand(std::string(command))
      ->add_option(std::string(name), target, std::move(help))
      ->check([](const std::string& value) { return value.empty() ? "the value is empty" : std::string(); });
}

void CommandLine::no_words(std::string remedy) { state_->word_hint = std::move(remedy); }

void CommandLine::footer(std::string text) { state_->app.footer(std::move(text)); }

std::optional<int> CommandLine::parse(Arguments arguments) {
  // "-config" is "--config": the programs that came before this one were written in Go.
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument.size() > 2 && argument[0] == '-' && argument[1] != '-') argument.insert(0, 1, '-');
  }
  std::ranges::reverse(arguments);  // as CLI11 wants them
  try {
    state_->app.parse(arguments);
    for (const auto& [option, given] : state_->seen) *given = option->count() > 0;
    const auto extras = state_->app.remaining(true);
    if (extras.empty()) return std::nullopt;
    fmt::print(stderr, "{}: {}\n", state_->usage, state_->suggest(extras.front()));
    return 2;
  } catch (const CLI::CallForHelp&) {
    std::fputs(state_->app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {}\n", state_->usage, state_->explain(error));
    return 2;
  }
}

}  // namespace shed::applets
