// Makes the links through which the binary is called by its applets' names.
#include <fmt/format.h>

#include <filesystem>

#include "applet.h"
#include "command_line.h"
#include "links.h"
#include "service.h"

namespace shed::applets {
namespace {

int run(Arguments arguments) {
  std::string directory;
  bool force = false;
  CommandLine line(kInstall, "shed-ext install");
  line.option("--bindir", directory, "Where the links go; default: where the binary is");
  line.flag("--force", force, "Replace files of these names that are something else");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto binary = running_binary();
  if (!binary) return fail_with(binary.error());
  if (directory.empty()) directory = std::filesystem::path(*binary).parent_path();
  for (const Applet& applet : all_applets()) {
    if (applet.link.empty()) continue;
    const auto made = make_link(*binary, directory, applet.link, force);
    if (!made) return fail_with(made.error());
    fmt::print("{}/{} {}\n", directory, applet.link, *made ? "-> " + *binary : "is there already");
  }
  return 0;
}

}  // namespace

const Applet kInstall{"install", "", "Make the links through which the applets are called", run};

}  // namespace shed::applets
