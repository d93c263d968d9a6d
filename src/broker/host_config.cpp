// What is in force for one guest, and reading the file.
#include "shed/broker/host_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "shed/base/file.h"

namespace shed::broker {

namespace {

// The map's entry, or nullptr.
template <class T>
const T* find(const ByName<T>& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

void layer(ResolvedAws& resolved, const AwsLevel* level) {
  if (level == nullptr) return;
  if (level->role) resolved.role = *level->role;
  if (level->mode) resolved.mode = *level->mode;
  if (level->session_duration) resolved.session_duration = *level->session_duration;
  if (level->external_id) resolved.external_id = *level->external_id;
  if (level->source_identity) resolved.source_identity = *level->source_identity;
  if (level->policy) resolved.policy = *level->policy;
  if (level->policy_arns) resolved.policy_arns = *level->policy_arns;
  if (level->tags) resolved.tags = *level->tags;
}

void layer(ResolvedDocker& resolved, const DockerLevel* level) {
  if (level == nullptr) return;
  if (level->registries) resolved.registries = *level->registries;
  if (level->allow_all) resolved.allow_all = *level->allow_all;
}

bool gives_credentials(const AwsLevel& level) {
  return level.role.has_value() || level.mode == AwsMode::kPassthrough;
}

bool any_gives_credentials(const ByName<AwsLevel>& sheds) {
  return std::ranges::any_of(sheds, [](const auto& entry) { return gives_credentials(entry.second); });
}

bool allows_any(const DockerLevel& level) {
  return level.allow_all.value_or(false) || (level.registries && !level.registries->empty());
}

ConfigProblem unreadable(const std::string& path, const Error& error) {
  // The error names the file as well.
  const std::string named = path + ": ";
  const std::size_t cause = error.text().starts_with(named) ? named.size() : 0;
  std::string remedy;
  switch (error.code()) {
    case Errc::kNotFound:
      remedy = fmt::format("; write one with 'shed-ext host --init {}'", path);
      break;
    case Errc::kPermission:
      remedy = fmt::format("; let yourself read it with 'chmod u+r {}'", path);
      break;
    case Errc::kLimit:
      remedy = "; no configuration needs more than 1 MiB, is it the right file?";
      break;
    default:
      break;
  }
  return {path, 0, 0, error.text().substr(cause) + remedy};
}

}  // namespace

std::string_view ssh_mode_name(SshMode mode) {
  switch (mode) {
    case SshMode::kAuto:
      return "auto";
    case SshMode::kAgentForward:
      return "agent-forward";
    case SshMode::kLocalKeys:
      return "local-keys";
  }
  return {};
}

std::string_view aws_mode_name(AwsMode mode) {
  return mode == AwsMode::kPassthrough ? "passthrough" : "assume-role";
}

const Approval& HostConfig::approval(Namespace ns) const {
  switch (ns) {
    case Namespace::kSsh:
      return ssh_approval;
    case Namespace::kAws:
      return aws.approval;
    case Namespace::kDocker:
      break;
  }
  return docker.approval;
}

std::vector<std::string_view> HostConfig::gate_namespaces() const {
  auto names = broker::gate_namespaces(ssh_approval.policy, aws.approval.policy, docker.approval.policy);
  const std::string_view ssh = namespace_name(Namespace::kSsh);
  const bool has_ssh = !names.empty() && names.front() == ssh;
  if (ssh_access.rules.may_ask() && !has_ssh) names.insert(names.begin(), ssh);
  return names;
}

ResolvedAws HostConfig::aws_for(std::string_view server, std::string_view shed) const {
  ResolvedAws resolved;
  const AwsServer* at_server = find(aws.servers, server);
  layer(resolved, &aws.level);
  layer(resolved, at_server != nullptr ? &at_server->level : nullptr);
  layer(resolved, find(aws.sheds, shed));
  layer(resolved, at_server != nullptr ? find(at_server->sheds, shed) : nullptr);
  return resolved;
}

ResolvedDocker HostConfig::docker_for(std::string_view server, std::string_view shed) const {
  ResolvedDocker resolved;
  const DockerServer* at_server = find(docker.servers, server);
  layer(resolved, &docker.level);
  layer(resolved, at_server != nullptr ? &at_server->level : nullptr);
  layer(resolved, at_server != nullptr ? find(at_server->sheds, shed) : nullptr);
  return resolved;
}

bool HostConfig::aws_enabled() const {
  if (gives_credentials(aws.level) || any_gives_credentials(aws.sheds)) return true;
  return std::ranges::any_of(aws.servers, [](const auto& entry) {
    return gives_credentials(entry.second.level) || any_gives_credentials(entry.second.sheds);
  });
}

bool HostConfig::aws_role_is_missing() const {
  return !aws_enabled() && aws.approval.policy != Policy::kDenyAll;
}

bool HostConfig::docker_enabled() const {
  if (allows_any(docker.level)) return true;
  return std::ranges::any_of(docker.servers, [](const auto& server) {
    return allows_any(server.second.level) ||
           std::ranges::any_of(server.second.sheds, [](const auto& shed) { return allows_any(shed.second); });
  });
}

std::expected<HostConfig, ConfigProblems> load_host_config(const std::string& path) {
  const auto text = read_file(path, kMaxConfigBytes);
  if (!text) return std::unexpected(ConfigProblems{unreadable(path, text.error())});
  return parse_host_config(*text, path);
}

std::string default_host_config_path() { return expand_home("~/.config/shed/extensions.yaml"); }

}  // namespace shed::broker
