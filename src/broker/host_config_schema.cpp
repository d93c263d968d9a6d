// What may stand in extensions.yaml, key by key.
#include <algorithm>

#include "broker/approval_schema.h"
#include "broker/aws_schema.h"
#include "broker/config_reader.h"
#include "broker/limits_schema.h"
#include "broker/ssh_rules_schema.h"
#include "broker/yaml_tree.h"
#include "shed/base/file.h"
#include "shed/broker/host_config.h"
#include "shed/docker/registry_name.h"

namespace shed::broker {

namespace {

constexpr std::string_view kTopKeys[] = {"server",           "token_file", "tls_cert_fingerprint",
                                         "approval_timeout", "ssh",        "aws",
                                         "docker",           "limits",     "discovery",
                                         "logging",          "rc_hub",     "desktop"};
constexpr std::string_view kSshKeys[] = {"mode", "approval", kSshRulesKey, kSshOfferKey};
constexpr std::string_view kDockerKeys[] = {"registries", "allow_all", "config_path", "approval", "servers"};
constexpr std::string_view kDockerServerKeys[] = {"registries", "allow_all", "sheds"};
constexpr std::string_view kDockerShedKeys[] = {"registries", "allow_all"};
constexpr std::string_view kDiscoveryKeys[] = {"servers", "source", "watch", "poll_interval", "debounce"};
constexpr std::string_view kLoggingKeys[] = {"enabled", "path"};
// Keys of existing files for what this program does not do; their content is not looked at.
constexpr std::string_view kKeysWithoutEffect[] = {"rc_hub", "desktop"};

constexpr std::string_view kSshModes[] = {"agent-forward", "local-keys"};
constexpr SshMode kSshModeValues[] = {SshMode::kAgentForward, SshMode::kLocalKeys};
constexpr std::string_view kWatches[] = {"fsnotify", "poll", "off"};
constexpr Watch kWatchValues[] = {Watch::kEvents, Watch::kPoll, Watch::kOff};

constexpr std::string_view kDefaultLog = "~/.local/share/shed/extensions-audit.log";
constexpr std::string_view kDefaultDirectory = "~/.shed/config.yaml";

std::string expand(std::string_view path, std::string_view home) {
  if (home.empty()) return expand_home(path);
  if (path == "~") return std::string(home);
  if (path.starts_with("~/")) return std::string(home) + std::string(path.substr(1));
  return std::string(path);
}

class Schema {
 public:
  Schema(Problems& problems, std::string_view home) : reader_(problems), problems_(problems), home_(home) {}

  void read(const YamlNode& root, HostConfig& config) {
    const Setting file{&root, ""};
    config.logging_path = expand(kDefaultLog, home_);
    if (!reader_.section(file, kTopKeys)) return;
    read_server(file, config);
    if (auto timeout = reader_.duration(reader_.member(file, "approval_timeout")))
      config.approval_timeout = *timeout;
    read_ssh(reader_.member(file, "ssh"), config);
    read_aws(reader_, reader_.member(file, "aws"), config.aws);
    read_docker(reader_.member(file, "docker"), config.docker);
    config.limits = read_limits(reader_, reader_.member(file, "limits"));
    read_discovery(reader_.member(file, "discovery"), config);
    read_logging(reader_.member(file, "logging"), config);
    for (std::string_view key : kKeysWithoutEffect) {
      const Setting setting = reader_.member(file, key);
      if (setting.present()) problems_.note(setting.at(), "'{}' has no effect in this program", key);
    }
  }

 private:
  void read_server(const Setting& file, HostConfig& config) {
    const Setting server = reader_.member(file, "server");
    const Setting pin = reader_.member(file, "tls_cert_fingerprint");
    if (auto url = reader_.text_unless_empty(server)) {
      const auto valid = check_server_url(*url);
      if (!valid) problems_.add(server.at(), "server \"{}\": {}", shown(*url), valid.error().text());
      config.server_url = std::move(*url);
    }
    config.token_file = path(reader_.member(file, "token_file"));
    if (auto text = reader_.text_unless_empty(pin)) {
      const auto valid = check_tls_pin(config.server_url, *text);
      if (!valid) problems_.add(pin.at(), "tls_cert_fingerprint: {}", valid.error().text());
      config.tls_cert_fingerprint = std::move(*text);
    }
  }

  void read_ssh(const Setting& ssh, HostConfig& config) {
    if (!reader_.section(ssh, kSshKeys)) return;
    if (auto mode = reader_.choice(reader_.member(ssh, "mode"), kSshModes))
      config.ssh_mode = kSshModeValues[*mode];
    config.ssh_approval = read_approval(reader_, reader_.member(ssh, "approval"), Namespace::kSsh);
    config.ssh_access = read_ssh_access(reader_, ssh, config.ssh_approval.policy, config.file);
  }

  void read_docker(const Setting& docker, DockerConfig& config) {
    if (!reader_.section(docker, kDockerKeys)) return;
    config.approval = read_approval(reader_, reader_.member(docker, "approval"), Namespace::kDocker);
    config.config_path = path(reader_.member(docker, "config_path"));
    config.level = docker_level(docker);
    reader_.each_name(reader_.member(docker, "servers"), [&](const std::string& name, const Setting& server) {
      if (!reader_.section(server, kDockerServerKeys)) return;
      DockerServer& made = config.servers[name];
      made.level = docker_level(server);
      reader_.each_name(reader_.member(server, "sheds"),
                        [&](const std::string& shed_name, const Setting& shed) {
                          if (reader_.section(shed, kDockerShedKeys))
                            made.sheds[shed_name] = docker_level(shed);
                        });
    });
  }

  DockerLevel docker_level(const Setting& map) {
    const Setting list = reader_.member(map, "registries");
    if (list.node != nullptr && list.node->kind == YamlNode::Kind::kNull) {
      problems_.note(list.at(), "{} has no value, so the inherited list counts; write [] for an empty one",
                     list.path);
    }
    DockerLevel level;
    level.registries = reader_.texts(list);
    for (const std::string& entry : level.registries.value_or(std::vector<std::string>())) {
      // Files that exist may have anything here, and it never matched: said, not refused.
      const Status valid = docker::check_entry(entry);
      if (!valid) problems_.note(list.at(), "{}: {}; it matches nothing", list.path, valid.error().text());
    }
    level.allow_all = reader_.boolean(reader_.member(map, "allow_all"));
    return level;
  }

  void read_discovery(const Setting& discovery, HostConfig& config) {
    if (!reader_.section(discovery, kDiscoveryKeys)) return;
    DiscoveryConfig made;
    made.servers = selector(reader_.member(discovery, "servers"));
    made.source = path(reader_.member(discovery, "source"));
    if (made.source.empty()) made.source = expand(kDefaultDirectory, home_);
    if (auto watch = reader_.choice(reader_.member(discovery, "watch"), kWatches))
      made.watch = kWatchValues[*watch];
    made.poll_interval =
        reader_.duration(reader_.member(discovery, "poll_interval")).value_or(made.poll_interval);
    made.debounce = reader_.duration(reader_.member(discovery, "debounce")).value_or(made.debounce);
    config.discovery = std::move(made);
  }

  ServerSelector selector(const Setting& setting) {
    if (!setting.present()) return {};
    if (setting.node->is_map()) {
      reader_.wrong_type(setting, "all, a name or a list of names");
      return {};
    }
    if (setting.node->kind == YamlNode::Kind::kScalar) {
      const std::string& name = setting.node->text;
      if (name.empty() || name == "all") return {};
      return ServerSelector({name});
    }
    return ServerSelector(reader_.texts(setting).value_or(std::vector<std::string>()));
  }

  void read_logging(const Setting& logging, HostConfig& config) {
    if (!reader_.section(logging, kLoggingKeys)) return;
    config.logging_enabled = reader_.boolean(reader_.member(logging, "enabled")).value_or(true);
    std::string written = path(reader_.member(logging, "path"));
    if (!written.empty()) config.logging_path = std::move(written);
  }

  std::string path(const Setting& setting) {
    const auto text = reader_.text_unless_empty(setting);
    if (!text) return {};
    if (text->find('\0') == std::string::npos) return expand(*text, home_);
    problems_.add(setting.at(), "{} has a zero byte in it", setting.path);
    return {};
  }

  ConfigReader reader_;
  Problems& problems_;
  std::string_view home_;
};

}  // namespace

std::expected<HostConfig, ConfigProblems> parse_host_config(std::string_view text, std::string_view file_name,
                                                            std::string_view home) {
  Problems problems(file_name);
  HostConfig config;
  config.file = file_name;
  if (text.size() > kMaxConfigBytes) {
    problems.add({}, "larger than 1 MiB, which no configuration needs; is it the right file?");
  } else {
    Schema(problems, home).read(read_yaml(text, problems), config);
  }
  if (!problems.empty()) return std::unexpected(problems.take());
  config.notices = problems.take_notices();
  return config;
}

HostConfig built_in_config(std::string_view home) {
  HostConfig config;
  config.logging_path = expand(kDefaultLog, home);
  for (Approval* approval : {&config.ssh_approval, &config.aws.approval, &config.docker.approval}) {
    approval->omitted = false;
  }
  config.ssh_approval.policy = Policy::kApproveAll;
  return config;
}

}  // namespace shed::broker
