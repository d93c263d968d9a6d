// Makes the links through which the binary is called by its applets' names.
#include <fmt/format.h>

#include <filesystem>

#include "applet.h"
#include "command_line.h"
#include "docker_config.h"
#include "links.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/docker/config_file.h"

namespace shed::applets {
namespace {

int make_links(std::string directory, bool force) {
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

int configure_docker(std::string path) {
  path = path.empty() ? docker::default_config_path() : expand_home(path);
  const auto changed = set_credentials_store(path);
  if (!changed) return fail_with(changed.error());
  fmt::print("{} {}\n", path, *changed ? "has credsStore shed now" : "has credsStore shed already");
  return 0;
}

int run(Arguments arguments) {
  std::string directory;
  bool force = false;
  CommandLine line(kInstall, "shed-ext install");
  line.option("--bindir", directory, "Where the links go; default: where the binary is");
  line.flag("--force", force, "Replace files of these names that are something else");
  bool docker = false;
  std::string docker_config;
  line.option_with_optional_value(
      "--docker-config", docker, docker_config,
      "Only let docker take its logins from the host, in FILE; default ~/.docker/config.json");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  return docker ? configure_docker(std::move(docker_config)) : make_links(std::move(directory), force);
}

}  // namespace

const Applet kInstall{"install", "", "Make the links through which the applets are called", run};

}  // namespace shed::applets
