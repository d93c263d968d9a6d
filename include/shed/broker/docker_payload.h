// The payloads of the namespace docker-credentials (protocol.md section 5), in both directions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "shed/base/json.h"
#include "shed/base/result.h"
#include "shed/docker/config_file.h"

namespace shed::broker {

inline constexpr std::string_view kDockerNamespace = "docker-credentials";

using RegistryList = std::map<std::string, std::string>;  // registry to user name

// Requests, as the guest writes them.
std::string encode_docker_get(std::string_view server_url);
inline constexpr std::string_view kDockerListRequest = R"({"operation":"list"})";
inline constexpr std::string_view kDockerStatusRequest = R"({"operation":"status"})";

// Answers, as the host writes them. The first one holds a secret: to be wiped.
std::string encode_login(const docker::Login& login);
std::string encode_registries(const RegistryList& registries);
std::string encode_docker_status(bool allow_all, std::size_t registry_count);

// Answers, as the guest reads them. Errc::kProtocol for what is none; no error quotes a value.
struct LoginView {
  std::string_view server_url;
  std::string_view username;
  std::string_view secret;
};
Result<LoginView> decode_login(const JsonValue& payload);
struct DockerStatus {
  bool allow_all = false;
  std::int64_t registry_count = 0;
};
Result<DockerStatus> decode_docker_status(const JsonValue& payload);
Result<RegistryList> decode_registries(const JsonValue& payload);

}  // namespace shed::broker
