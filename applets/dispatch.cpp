#include "dispatch.h"

#include <fmt/format.h>

#include <cstdio>

#include "applet.h"
#include "shed/base/log.h"
#include "shed/base/suggest.h"

namespace shed::applets {
namespace {

constexpr std::string_view kVersionCommand = "version";

const Applet* find(std::string_view name, std::string_view Applet::* field) {
  for (const Applet& applet : all_applets()) {
    if (!name.empty() && applet.*field == name) return &applet;
  }
  return nullptr;
}

void print_help() {
  std::string text =
      "Usage: shed-ext APPLET [OPTION...]\n"
      "Lets a sandbox use its owner's SSH keys, AWS roles and registry logins without ever holding the "
      "keys.\n\n"
      "Try it:  shed-ext up -- ssh-add -l\n\n"
      "Applets:\n";
  for (const Applet& applet : all_applets()) {
    text += fmt::format("  {:<22} {}\n", applet.name, applet.summary);
    if (!applet.link.empty()) text += fmt::format("  {:<22} also through a link named {}\n", "", applet.link);
  }
  text += fmt::format("  {:<22} Print the version\n", kVersionCommand);
  text += "\n'shed-ext APPLET --help' tells the options of one.\n";
  std::fputs(text.c_str(), stdout);
}

int refuse(std::string_view typed) {
  std::vector<std::string_view> names{kVersionCommand};
  for (const Applet& applet : all_applets()) names.push_back(applet.name);
  const std::string_view meant = nearest(typed, names);
  fmt::print(stderr, "shed-ext: unknown applet '{}', {}\n", log::printable(typed),
             meant.empty() ? "'shed-ext --help' lists them" : fmt::format("did you mean '{}'?", meant));
  return 2;
}

int version(int argc, char** argv) {
  const std::string_view argument = argc > 2 ? argv[2] : "";
  if (argument == "--help" || argument == "-h") {
    fmt::print("Usage: shed-ext version\nPrints the version.\n");
    return 0;
  }
  if (!argument.empty()) {
    fmt::print(stderr, "shed-ext version: unknown argument '{}', it takes none\n", log::printable(argument));
    return 2;
  }
  fmt::print("shed-ext {}\n", SHED_VERSION);
  return 0;
}

int run(const Applet& applet, std::string_view called, int argc, char** argv, int first) {
  log::set_program(called);
  return applet.run(Arguments(argv + first, argv + argc));
}

}  // namespace

int dispatch(int argc, char** argv) {
  std::string_view called = argc > 0 ? argv[0] : "shed-ext";
  called = called.substr(called.rfind('/') + 1);
  if (const Applet* applet = find(called, &Applet::link)) return run(*applet, called, argc, argv, 1);
  if (argc < 2) {
    fmt::print(stderr,
               "shed-ext: no applet given; 'shed-ext --help' lists them, 'shed-ext up' tries it all\n");
    return 2;
  }
  const std::string_view name = argv[1];
  if (const Applet* applet = find(name, &Applet::name)) {
    return run(*applet, fmt::format("shed-ext {}", name), argc, argv, 2);
  }
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return 0;
  }
  if (name == kVersionCommand || name == "--version") return version(argc, argv);
  return refuse(name);
}

}  // namespace shed::applets
