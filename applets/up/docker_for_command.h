// What docker, podman and skopeo are to find instead of the person's own configuration.
#pragma once

#include <string>
#include <vector>

#include "command_environment.h"
#include "shed/base/result.h"

namespace shed::applets {

// Makes `folder` (0700) with a config.json and a link to the running binary in it, and leads every client
// there. `hosts` are named one by one, because podman and skopeo know no store for all registries.
Status lead_to_docker_helper(CommandEnvironment& environment, const std::string& folder,
                             const std::vector<std::string>& hosts);

// The config.json: credsStore for docker, credHelpers for the others.
std::string docker_settings(const std::vector<std::string>& hosts);

}  // namespace shed::applets
