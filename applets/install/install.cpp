// Makes the links through which the binary is called by its applets' names, and furnishes a guest's image.
#include <fmt/format.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif
#include <unistd.h>

#include <filesystem>

#include "applet.h"
#include "command_line.h"
#include "docker_config.h"
#include "guest_overlay.h"
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

#ifdef __linux__
// A build with sanitizers has some 80 MiB.
constexpr std::size_t kLargestBinary = std::size_t{512} * 1024 * 1024;

void warn_about_guest() {
  // Where a dynamic linker was needed, the guest needs one too, and our libraries.
  if (::getauxval(AT_BASE) != 0) {
    fmt::print(
        stderr,
        "shed-ext install: this binary needs shared libraries, which the guest may not have; a release "
        "build needs none\n");
  }
  if (::geteuid() != 0) {
    fmt::print(stderr,
               "shed-ext install: not run by root, so the files are user {}'s; make them root's before the "
               "guest starts\n",
               ::geteuid());
  }
}

int install_guest(const std::string& root, bool force) {
  // Not by its path: another file may be there by now.
  const auto binary = read_file("/proc/self/exe", kLargestBinary);
  if (!binary) {
    return fail_with(Error(binary.error().code(),
                           binary.error().text() + "; the running binary is copied from there: mount /proc"));
  }
  const OverlayReport report = install_overlay(root, *binary, force);
  for (const std::string& line : report.lines) fmt::print("{}\n", line);
  int status = 0;
  for (const Error& error : report.errors) status = fail_with(error);
  if (status == 0) warn_about_guest();
  return status;
}
#else
int install_guest(const std::string&, bool) {
  return fail_with(
      Error(Errc::kUnsupported, "--guest: the guest needs a binary for Linux; run this with one there"));
}
#endif

struct Options {
  bool guest = false;
  std::string root;
  std::string directory;
  bool force = false;
  bool docker = false;
  std::string docker_config;
};

Status check_together(const Options& options) {
  if (!options.guest) return {};
  if (options.root.empty()) return fail(Errc::kInvalid, "--guest: name the root folder of the image");
  if (!options.directory.empty()) {
    return fail(Errc::kInvalid,
                "--guest and --bindir: give one of the two; a guest has its links in /usr/local/bin");
  }
  if (options.docker) {
    return fail(Errc::kInvalid, "--guest and --docker-config: give one of the two; --guest does both");
  }
  return {};
}

int run(Arguments arguments) {
  Options options;
  CommandLine line(kInstall, "shed-ext install");
  line.option("--bindir", options.directory, "Where the links go; default: where the binary is");
  line.flag("--force", options.force, "Replace files of these names that are something else");
  line.option_with_optional_value(
      "--docker-config", options.docker, options.docker_config,
      "Only let docker take its logins from the host, in FILE; default ~/.docker/config.json");
  line.option_with_optional_value(
      "--guest", options.guest, options.root,
      "Put the binary, its links, a system unit and the clients' settings below ROOT, a guest's root folder");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  if (const Status fits = check_together(options); !fits) return fail_usage(fits.error());
  if (options.guest) return install_guest(options.root, options.force);
  if (options.docker) return configure_docker(std::move(options.docker_config));
  return make_links(std::move(options.directory), options.force);
}

}  // namespace

const Applet kInstall{"install", "",
                      "Make the links through which the applets are called, or furnish a guest", run};

}  // namespace shed::applets
