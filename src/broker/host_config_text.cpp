// Texts for the person: the file to start from, and what is in force.
#include <fmt/format.h>

#include <algorithm>

#include "broker/config_problems.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

namespace {

// "# " is prose, "#key" a setting to switch on.
constexpr std::string_view kStarter = R"(# What this machine's host agent hands out, and who decides.
# Remove the # in front of a setting to switch it on; then check the file:
#   shed-ext host --check --shed NAME

# Where the bus is: http://, https:// or unix:///path/to/bus.sock
server: http://localhost:8080
# For a server that wants a token, and for one with a certificate of its own (https only).
#token_file: ~/.config/shed/token
#tls_cert_fingerprint: sha256:<64 hex digits>

# How long a question waits for a person before it counts as denied.
approval_timeout: 25s

# Policies: deny-all      nothing, the default
#           approve-all   everything, without asking; every use is in the audit log
#           shed-desktop  ask whoever is connected to the approval channel, else deny
#           prompt        ask in a window or terminal: the program of SSH_ASKPASS, or pinentry
# and for ssh also biometrics and biometrics-or-password. Those that ask have a scope (per-request,
# per-session, per-shed) and a time: { policy: shed-desktop, scope: per-session, session_ttl: 4h }

ssh:
  # "" takes the agent at SSH_AUTH_SOCK if it answers, else the keys in ~/.ssh;
  # agent-forward and local-keys take the one or the other.
  mode: ""
  approval: { policy: approve-all }
  # Rules come before the policy, and the first one that matches decides: allow, deny or ask. What is not
  # written matches anything; names may have * and ? in them. A destination is a name that known_hosts gives
  # the host key, or the fingerprint of the host key.
  #rules: [{ destination: github.com, user: git, action: allow }, { sshsig_namespace: git, action: allow }, { action: ask }]
  # Only these keys are listed to guests, and only they sign; ssh-add -l prints the fingerprints.
  #offer: ["SHA256:<43 characters>"]

aws:
  approval: { policy: deny-all }
  # The profile of ~/.aws that assumes the role. Without it: AWS_ACCESS_KEY_ID, AWS_PROFILE, "default".
  #source_profile: default
  # assume-role gives the guest a session of the role, passthrough the session of the profile itself.
  mode: assume-role
  #default_role: arn:aws:iam::123456789012:role/development
  # 15m to 12h; a role that is assumed with session credentials gets 1h at most.
  session_duration: 1h
  cache_refresh_before: 5m
  # What the session may do at most, beside what the role may; and what the role's trust policy wants.
  #policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'
  #policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
  #external_id: some-id
  #source_identity: me
  #tags: { project: demo }
  # For one guest (shed); for one server, and one guest on it. The most specific setting wins.
  #sheds: { my-service: { role: "arn:aws:iam::123456789012:role/my-service" } }
  #servers: { mini2: { mode: assume-role, sheds: { web: { mode: passthrough, session_duration: 30m } } } }

docker:
  approval: { policy: deny-all }
  # Only logins for these registries are handed out; Docker Hub is index.docker.io.
  registries: [ghcr.io, index.docker.io]
  allow_all: false
  #config_path: ~/.docker/config.json
  # A list replaces the one above it; allow_all counts where it is written.
  #servers: { mini2: { registries: [], sheds: { web: { registries: [ghcr.io] } } } }

# How many requests each guest may make: burst at once, then per_minute. These are the defaults, which a
# person does not meet; "ssh: off" lifts one, "limits: off" all.
#limits: { ssh: { burst: 1000, per_minute: 120 }, aws: { burst: 300, per_minute: 120 }, docker: { burst: 400 } }

# Serve the servers that the shed command knows, instead of the one above: all, or a list of names.
# A change is noticed by fsnotify or poll; off reads them once.
#discovery: { servers: all, source: ~/.shed/config.yaml, watch: fsnotify, poll_interval: 10s, debounce: 500ms }

# One line for each operation. What cannot be written here is not done.
logging:
  enabled: true
  path: ~/.local/share/shed/extensions-audit.log
)";

// As a key of a YAML flow map.
std::string yaml_key(std::string_view name) {
  const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return plain ? std::string(name) : fmt::format("\"{}\"", shown(name));
}

void line(std::string& out, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{:<20}{}\n", name, value);
}

std::string policy_text(const HostConfig& config, Namespace ns) {
  const Approval& approval = config.approval(ns);
  if (approval.omitted) {
    return fmt::format(
        "omitted, so deny-all: add \"{0}: {{ approval: {{ policy: approve-all }} }}\" to allow it",
        section_name(ns));
  }
  if (approval.policy == Policy::kPrompt || approval.policy == Policy::kBiometrics ||
      approval.policy == Policy::kBiometricsOrPassword) {
    return fmt::format("{}, {}, a yes counts for {}", policy_name(approval.policy),
                       scope_name(approval.scope), format_duration(approval.session_ttl));
  }
  if (approval.policy == Policy::kShedDesktop) {
    return fmt::format("shed-desktop, {} to answer", format_duration(config.approval_timeout));
  }
  return std::string(policy_name(approval.policy));
}

std::string bus_text(const HostConfig& config) {
  if (config.discovery) return fmt::format("servers from {}", config.discovery->source);
  return config.server_url;
}

std::string guest_text(std::string_view server, std::string_view shed) {
  const std::string guest(shed.empty() ? "any; with --shed NAME what is in force for one" : shed);
  return server.empty() ? guest : fmt::format("{} on {}", shed.empty() ? "any" : shed, server);
}

void describe_limit(std::string& out, const HostConfig& config, Namespace ns) {
  const auto& limit = config.limits.of(ns);
  line(out, "  limit",
       limit ? fmt::format("{} requests at once, then {} a minute", limit->burst, limit->per_minute)
             : fmt::format("off (limits.{})", section_name(ns)));
}

void describe_ssh_access(std::string& out, const SshAccess& access, std::string_view server,
                         std::string_view shed) {
  for (const SshRule* rule : access.rules.of_guest(server, shed)) {
    line(out, fmt::format("  rule {}", rule->number),
         fmt::format("{} {} (line {})", rule_action_name(rule->action), rule->criteria(), rule->line));
  }
  if (!access.offer) return;
  line(out, "  offers",
       access.offer->empty() ? "no key (ssh.offer is empty)"
                             : fmt::format("{}", fmt::join(*access.offer, ", ")));
}

void describe_aws(std::string& out, const HostConfig& config, std::string_view server,
                  std::string_view shed) {
  const ResolvedAws aws = config.aws_for(server, shed);
  line(out, "  mode", aws_mode_name(aws.mode));
  line(out, "  profile",
       config.aws.source_profile_written ? std::string_view(config.aws.source_profile)
                                         : "AWS_ACCESS_KEY_ID, else AWS_PROFILE, else default");
  if (aws.mode == AwsMode::kPassthrough) {
    line(out, "  role", "not used by passthrough");
    if (!aws.policy.empty() || !aws.policy_arns.empty()) {
      line(out, "  policy",
           "passthrough cannot apply one, so no credentials: take policy and policy_arns away");
    }
    return;
  }
  line(out, "  role",
       aws.role.empty() ? fmt::format("none, so no credentials: add {}", aws_role_line(server, shed))
                        : aws.role);
  if (aws.role.empty()) return;
  line(out, "  session",
       fmt::format("{}, renewed {} before its end", format_duration(aws.session_duration),
                   format_duration(config.aws.cache_refresh_before)));
  if (!aws.policy.empty()) line(out, "  policy", shown(aws.policy));
  if (!aws.policy_arns.empty()) line(out, "  policies", fmt::format("{}", fmt::join(aws.policy_arns, ", ")));
  if (!aws.external_id.empty()) line(out, "  external id", aws.external_id);
  if (!aws.source_identity.empty()) line(out, "  source identity", aws.source_identity);
  for (const auto& [key, value] : aws.tags)
    line(out, "  tag", fmt::format("{}={}", shown(key), shown(value)));
}

void describe_docker(std::string& out, const HostConfig& config, std::string_view server,
                     std::string_view shed) {
  const ResolvedDocker docker = config.docker_for(server, shed);
  if (docker.allow_all) {
    line(out, "  registries", "all");
  } else if (docker.registries.empty()) {
    line(out, "  registries", "none: list them in docker.registries");
  } else {
    line(out, "  registries", fmt::format("{}", fmt::join(docker.registries, ", ")));
  }
  const std::string& path = config.docker.config_path;
  line(out, "  logins from", path.empty() ? "$DOCKER_CONFIG/config.json, else ~/.docker/config.json" : path);
}

}  // namespace

std::string_view starter_config() { return kStarter; }

std::string aws_role_line(std::string_view server, std::string_view shed) {
  if (shed.empty()) return R"(aws: { default_role: "arn:aws:iam::<account>:role/<name>" })";
  const std::string sheds =
      fmt::format(R"(sheds: {{ {}: {{ role: "arn:aws:iam::<account>:role/<name>" }} }})", yaml_key(shed));
  if (server.empty()) return fmt::format("aws: {{ {} }}", sheds);
  return fmt::format("aws: {{ servers: {{ {}: {{ {} }} }} }}", yaml_key(server), sheds);
}

std::string describe_for_shed(const HostConfig& config, std::string_view server, std::string_view shed) {
  std::string out;
  line(out, "configuration", config.file.empty() ? "built in" : config.file);
  line(out, "bus", bus_text(config));
  line(out, "guest", guest_text(server, shed));
  line(out, namespace_name(Namespace::kSsh), policy_text(config, Namespace::kSsh));
  line(out, "  mode",
       config.ssh_mode == SshMode::kAuto ? "auto: the agent at SSH_AUTH_SOCK, else the keys in ~/.ssh"
                                         : ssh_mode_name(config.ssh_mode));
  describe_ssh_access(out, config.ssh_access, server, shed);
  describe_limit(out, config, Namespace::kSsh);
  line(out, namespace_name(Namespace::kAws), policy_text(config, Namespace::kAws));
  describe_limit(out, config, Namespace::kAws);
  describe_aws(out, config, server, shed);
  line(out, namespace_name(Namespace::kDocker), policy_text(config, Namespace::kDocker));
  describe_limit(out, config, Namespace::kDocker);
  describe_docker(out, config, server, shed);
  line(out, "audit log",
       config.logging_enabled ? std::string_view(config.logging_path) : "off (logging.enabled: false)");
  return out;
}

}  // namespace shed::broker
