#include "shed/broker/docker_payload.h"

#include "shed/docker/registry_name.h"

namespace shed::broker {
namespace {

// A registry's token may be a signed document; the bus itself ends at 1 MiB.
constexpr std::size_t kMaxLoginField = 64 * 1024;
constexpr std::size_t kMaxRegistries = 4096;
// The fields around the values.
constexpr std::size_t kFrame = 128;

}  // namespace

std::string encode_docker_get(std::string_view server_url) {
  std::string payload;
  JsonWriter(payload).begin_object().field("operation", "get").field("server_url", server_url).end_object();
  return payload;
}

std::string encode_login(const docker::Login& login) {
  std::string payload;
  // Never grown, so that no copy stays behind: a byte becomes six at most ("\u001f").
  payload.reserve(6 * (login.server_url.size() + login.username.size() + login.secret.size()) + kFrame);
  JsonWriter(payload)
      .begin_object()
      .field("server_url", login.server_url)
      .field("username", login.username.reveal())
      .field("secret", login.secret.reveal())
      .end_object();
  return payload;
}

std::string encode_registries(const RegistryList& registries) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object().key("registries").begin_object();
  for (const auto& [registry, user] : registries) json.field(registry, user);
  json.end_object().end_object();
  return payload;
}

std::string encode_docker_status(bool allow_all, std::size_t registry_count) {
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("connected", true)
      .field("allow_all", allow_all)
      .field("registry_count", registry_count)
      .end_object();
  return payload;
}

Result<LoginView> decode_login(const JsonValue& payload) {
  const auto username = payload["username"].string();
  const auto secret = payload["secret"].string();
  if (!username || !secret) return fail(Errc::kProtocol, "the host's answer is no login");
  if (username->size() > kMaxLoginField || secret->size() > kMaxLoginField) {
    return fail(Errc::kProtocol, "the host's answer is longer than any login");
  }
  return LoginView{payload["server_url"].string_or(""), *username, *secret};
}

Result<DockerStatus> decode_docker_status(const JsonValue& payload) {
  const auto allow_all = payload["allow_all"].boolean();
  const auto count = payload["registry_count"].integer();
  if (allow_all && count) return DockerStatus{*allow_all, *count};
  return fail(Errc::kProtocol, "the host's answer is no status");
}

Result<RegistryList> decode_registries(const JsonValue& payload) {
  const JsonValue registries = payload["registries"];
  if (!registries.is_object()) return fail(Errc::kProtocol, "the host's answer is no list of registries");
  RegistryList list;
  for (const auto& [registry, user] : registries.members()) {
    const auto name = user.string();
    if (!name || registry.size() > docker::kMaxServerUrl || list.size() == kMaxRegistries) {
      return fail(Errc::kProtocol, "the host's answer is no list of registries");
    }
    list.emplace(registry, *name);
  }
  return list;
}

}  // namespace shed::broker
