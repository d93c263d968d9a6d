#include "up/docker_for_command.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "shed/base/file.h"
#include "support/temporary_folder.h"

using namespace shed;
using namespace shed::applets;

TEST_CASE("docker has one store for all registries, podman and skopeo a helper for each") {
  CHECK(docker_settings({"ghcr.io", "index.docker.io"}) ==
        "{\"credsStore\":\"shed\",\"credHelpers\":{\"ghcr.io\":\"shed\","
        "\"https://index.docker.io/v1/\":\"shed\",\"docker.io\":\"shed\"}}\n");
  CHECK(docker_settings({}) == "{\"credsStore\":\"shed\",\"credHelpers\":{}}\n");
}

TEST_CASE("clients are led to a private folder, and past the person's own logins") {
  const TemporaryFolder parent;
  const std::string folder = parent / "docker";
  CommandEnvironment changed;
  REQUIRE(lead_to_docker_helper(changed, folder, {"ghcr.io"}));
  const char* const before[] = {"DOCKER_CONFIG=/home/me/.docker", "DOCKER_AUTH_CONFIG={}", "LANG=C", nullptr};
  const auto after = changed.apply(before);
  const auto has = [&](const std::string& entry) { return std::ranges::count(after, entry) == 1; };
  CHECK(has("DOCKER_CONFIG=" + folder));
  CHECK(has("REGISTRY_AUTH_FILE=" + folder + "/config.json"));
  CHECK(has("LANG=C"));
  CHECK_FALSE(has("DOCKER_AUTH_CONFIG={}"));
  CHECK(std::ranges::any_of(
      after, [&](const std::string& entry) { return entry.starts_with("PATH=" + folder + "/bin:"); }));
  struct stat found{};
  REQUIRE(::stat(folder.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0700);
  CHECK(std::filesystem::read_symlink(folder + "/bin/docker-credential-shed").is_absolute());
  CHECK(read_file(folder + "/config.json", 4096).value() == docker_settings({"ghcr.io"}));
}
