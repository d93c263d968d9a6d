// The owner's registry logins, as the configuration and the environment of the host agent name them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/broker/host_config.h"
#include "shed/docker/login_store.h"

namespace shed::broker {

// docker.config_path, else docker's own default; and podman's auth.json: $REGISTRY_AUTH_FILE, else
// $XDG_RUNTIME_DIR/containers/auth.json, else ~/.config/containers/auth.json.
docker::LoginStoreOptions login_files(const DockerConfig& config);

// The store, with the owner's helpers behind it.
std::unique_ptr<docker::LoginBackend> make_login_backend(async::Loop& loop, const DockerConfig& config);

// The hosts that this guest may use and that are known by name: those of its allow-list, and, where that
// has wildcards or allow_all, those of the owner's files that it allows. For clients that want every
// registry named (podman, skopeo). Sorted; Docker Hub is "index.docker.io". Files that cannot be read
// count as empty: a request for a login tells.
std::vector<std::string> known_hosts(const HostConfig& config, std::string_view server,
                                     std::string_view shed);

}  // namespace shed::broker
