// The host agent's configuration, protocol.md section 7: YAML, by default
// ~/.config/shed/extensions.yaml. Everything wrong in it is reported at once, with line and column.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/base/result.h"
#include "shed/broker/config_problem.h"
#include "shed/broker/limits.h"
#include "shed/broker/policy.h"
#include "shed/broker/server_directory.h"
#include "shed/broker/ssh_rules.h"

namespace shed::broker {

inline constexpr std::size_t kMaxConfigBytes = 1024 * 1024;

enum class SshMode { kAuto, kAgentForward, kLocalKeys };
std::string_view ssh_mode_name(SshMode mode);  // "auto" for kAuto

enum class AwsMode { kAssumeRole, kPassthrough };
std::string_view aws_mode_name(AwsMode mode);

template <class T>
using ByName = std::map<std::string, T, std::less<>>;

using AwsTags = std::vector<std::pair<std::string, std::string>>;

// One level of AWS settings; what is absent is inherited. An empty role or mode in the file counts as
// absent; a list or map of tags that is present replaces the inherited one.
struct AwsLevel {
  std::optional<std::string> role;
  std::optional<AwsMode> mode;
  std::optional<Millis> session_duration;  // 15 minutes to 12 hours
  std::optional<std::string> external_id;  // these five are ours
  std::optional<std::string> source_identity;
  std::optional<std::string> policy;  // JSON, at most 2,048 characters
  std::optional<std::vector<std::string>> policy_arns;
  std::optional<AwsTags> tags;
};
struct AwsServer {
  AwsLevel level;
  ByName<AwsLevel> sheds;
};
struct AwsConfig {
  Approval approval;
  std::string source_profile = "default";
  bool source_profile_written = false;  // else the SDKs' own order: environment, AWS_PROFILE, default
  Millis cache_refresh_before = std::chrono::minutes(5);
  AwsLevel level;
  ByName<AwsLevel> sheds;  // the single-server form: holds for a shed of this name on any server
  ByName<AwsServer> servers;
};
struct ResolvedAws {
  std::string role;  // empty: none
  AwsMode mode = AwsMode::kAssumeRole;
  Millis session_duration = std::chrono::hours(1);
  std::string external_id, source_identity, policy;  // empty: none
  std::vector<std::string> policy_arns;
  AwsTags tags;
};

// One level of the Docker allow-list; what is absent is inherited, an empty list is not absent.
struct DockerLevel {
  std::optional<std::vector<std::string>> registries;  // as written, not normalised
  std::optional<bool> allow_all;
};
struct DockerServer {
  DockerLevel level;
  ByName<DockerLevel> sheds;
};
struct DockerConfig {
  Approval approval;
  std::string config_path;  // empty: $DOCKER_CONFIG/config.json, else ~/.docker/config.json
  DockerLevel level;
  ByName<DockerServer> servers;
};
struct ResolvedDocker {
  bool allow_all = false;
  std::vector<std::string> registries;
};

enum class Watch { kEvents, kPoll, kOff };  // how a changed server directory is noticed

// Present: serve the servers that the shed command knows, and ignore `server`.
struct DiscoveryConfig {
  ServerSelector servers;
  std::string source;  // ~/.shed/config.yaml
  Watch watch = Watch::kEvents;
  Millis poll_interval = std::chrono::seconds(10);
  Millis debounce = Millis(500);
};

struct HostConfig {
  std::string file;                                  // where it came from; empty for the built-in one
  std::string server_url = "http://localhost:8080";  // `server`; not used where `discovery` is present
  std::string token_file;                            // (ours) file with the bearer token for that server
  std::string tls_cert_fingerprint;  // (ours) pin for that server: sha256:<hex>; only with https
  Millis approval_timeout = std::chrono::seconds(25);
  SshMode ssh_mode = SshMode::kAuto;
  Approval ssh_approval;
  SshAccess ssh_access;  // (ours) rules and offer
  AwsConfig aws;
  DockerConfig docker;
  std::optional<DiscoveryConfig> discovery;
  Limits limits;  // (ours)
  bool logging_enabled = true;
  std::string logging_path;  // absolute where the file says ~ or nothing
  // Nothing wrong, but the operator should read it once: keys without effect here, a list without a
  // value.
  ConfigProblems notices;

  const Approval& approval(Namespace ns) const;
  // That may ask a person over the approval channel, by policy or by a rule.
  std::vector<std::string_view> gate_namespaces() const;

  // Most specific wins, each setting on its own: defaults, servers.<server>, then (AWS only) the
  // single-server form sheds.<shed>, then servers.<server>.sheds.<shed>. Unknown names get what the
  // levels above them say.
  ResolvedAws aws_for(std::string_view server, std::string_view shed) const;
  ResolvedDocker docker_for(std::string_view server, std::string_view shed) const;
  // Whether a role or passthrough is configured anywhere: otherwise nobody listens on the namespace.
  bool aws_enabled() const;
  // A policy that would hand out roles, and no role to hand out: forgotten, as a rule.
  bool aws_role_is_missing() const;
  // Whether any registry is allowed to anybody.
  bool docker_enabled() const;
};

// Never throws, whatever the text: at most kMaxConfigBytes, 32 levels and 65,536 values; anchors,
// aliases and custom tags are refused. `file_name` is for messages; `home` is what ~ in a path
// stands for (empty: the home directory of this process).
//
// The older form of `approval` is read as follows. `enabled: false` is approve-all. `enabled: true`,
// or a policy of per-request, per-session or per-shed, asks a person with that scope (per-session
// where none is written): biometrics for ssh; for aws and docker, which have no biometrics,
// shed-desktop, which denies while nobody is connected. What contradicts itself is a problem.
std::expected<HostConfig, ConfigProblems> parse_host_config(std::string_view text, std::string_view file_name,
                                                            std::string_view home = {});
// An unreadable file is one problem that names it and says what to do.
std::expected<HostConfig, ConfigProblems> load_host_config(const std::string& path);

// For `shed-ext up` without a file: ssh approve-all, aws and docker deny-all, audit log at its
// default path.
HostConfig built_in_config(std::string_view home = {});

std::string default_host_config_path();

// What `shed-ext host --init` writes: every key, commented; valid as it is.
std::string_view starter_config();
// Writes it (0600, its directory made when missing), never over a file that is there: Errc::kExists.
Status write_starter_config(const std::string& path);

// What `shed-ext host --check` prints: what is in force for one guest (empty: for any), in aligned lines.
std::string describe_for_shed(const HostConfig& config, std::string_view server, std::string_view shed);

// The line of extensions.yaml that gives this guest a role; account and name are left to the reader.
std::string aws_role_line(std::string_view server, std::string_view shed);

}  // namespace shed::broker
