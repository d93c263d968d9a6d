#include "docker_for_command.h"

#include "install/links.h"
#include "shed/base/file.h"
#include "shed/base/json.h"
#include "shed/docker/registry_name.h"

namespace shed::applets {
namespace {

// As docker itself asks for Docker Hub, and as the others do.
constexpr std::string_view kDockerHubKeys[] = {docker::kDockerHubKey, "docker.io"};
constexpr std::string_view kSystemPath = "/usr/local/bin:/usr/bin:/bin";

}  // namespace

std::string docker_settings(const std::vector<std::string>& hosts) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("credsStore", "shed").key("credHelpers").begin_object();
  for (const std::string& host : hosts) {
    if (host != docker::kDockerHub) {
      json.field(host, "shed");
      continue;
    }
    for (const std::string_view key : kDockerHubKeys) json.field(key, "shed");
  }
  json.end_object().end_object();
  return text + '\n';
}

Status lead_to_docker_helper(CommandEnvironment& changed, const std::string& folder,
                             const std::vector<std::string>& hosts) {
  const std::string programs = folder + "/bin";
  if (const Status made = make_private_directory(programs); !made) return made;
  const auto binary = running_binary();
  if (!binary) return propagate(binary);
  const auto linked = make_link(*binary, programs, "docker-credential-shed", false);
  if (!linked) return propagate(linked);
  const std::string settings = folder + "/config.json";
  if (const Status written = write_file_atomically(settings, docker_settings(hosts), 0600); !written) {
    return written;
  }
  changed.set("DOCKER_CONFIG", folder);
  // Where podman and skopeo look before $DOCKER_CONFIG, and logins that newer docker takes from a variable.
  changed.set("REGISTRY_AUTH_FILE", settings);
  changed.remove("DOCKER_AUTH_CONFIG");
  const std::string path = environment("PATH");
  changed.set("PATH", fmt::format("{}:{}", programs, path.empty() ? kSystemPath : std::string_view(path)));
  return {};
}

}  // namespace shed::applets
