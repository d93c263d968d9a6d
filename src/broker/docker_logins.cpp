#include "shed/broker/docker_logins.h"

#include <set>

#include "shed/base/file.h"
#include "shed/docker/registry_name.h"

namespace shed::broker {
namespace {

std::string auth_file() {
  if (std::string named = environment("REGISTRY_AUTH_FILE"); !named.empty()) return named;
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  if (runtime.empty()) return home_directory() + "/.config/containers/auth.json";
  return runtime + "/containers/auth.json";
}

class LoginBackend : public docker::LoginBackend {
 public:
  LoginBackend(async::Loop& loop, const DockerConfig& config)
      : helper_(docker::make_credential_helper(loop)), store_(loop, *helper_, login_files(config)) {}

  async::Task<Result<std::shared_ptr<const docker::Login>>> get(std::string server_url) override {
    return store_.get(std::move(server_url));
  }
  async::Task<Result<std::map<std::string, std::string>>> list() override { return store_.list(); }

 private:
  std::unique_ptr<docker::CredentialHelper> helper_;
  docker::LoginStore store_;
};

template <class Map>
void add_allowed(const Map& entries, const docker::AllowList& list, std::set<std::string>& hosts) {
  for (const auto& [key, value] : entries) {
    const auto name = docker::parse_registry(key);
    if (name && list.allows(*name)) hosts.insert(name->host);
  }
}

}  // namespace

docker::LoginStoreOptions login_files(const DockerConfig& config) {
  return {config.config_path.empty() ? docker::default_config_path() : config.config_path, auth_file()};
}

std::unique_ptr<docker::LoginBackend> make_login_backend(async::Loop& loop, const DockerConfig& config) {
  return std::make_unique<LoginBackend>(loop, config);
}

std::vector<std::string> known_hosts(const HostConfig& config, std::string_view server,
                                     std::string_view shed) {
  const ResolvedDocker allowed = config.docker_for(server, shed);
  const docker::AllowList list(allowed.registries, allowed.allow_all);
  std::set<std::string> hosts;
  for (const std::string& entry : allowed.registries) {
    // An entry with a wildcard is no name.
    if (const auto name = docker::parse_registry(entry)) hosts.insert(name->host);
  }
  const auto files = login_files(config.docker);
  for (const std::string& path : {files.config_path, files.auth_path}) {
    const auto file = docker::ConfigFile::load(path);
    if (!file) continue;
    add_allowed(file->helpers(), list, hosts);
    add_allowed(file->logins(), list, hosts);
  }
  return {hosts.begin(), hosts.end()};
}

}  // namespace shed::broker
