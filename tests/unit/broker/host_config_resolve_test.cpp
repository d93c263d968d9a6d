// What a valid configuration means.
#include "host_config_testing.h"

using namespace std::chrono_literals;
using namespace shed::broker;
using namespace shed::broker::testing;

namespace {

const Approval& ssh_approval(std::string_view approval) {
  static HostConfig config;
  config = config_of("ssh: { approval: " + std::string(approval) + " }");
  return config.ssh_approval;
}

}  // namespace

TEST_CASE("an empty file has every default") {
  const HostConfig config = config_of("");
  CHECK(config.server_url == "http://localhost:8080");
  CHECK(config.approval_timeout == 25s);
  CHECK(config.ssh_mode == SshMode::kAuto);
  CHECK(config.aws.source_profile == "default");
  CHECK(config.docker.config_path.empty());
  CHECK_FALSE(config.discovery.has_value());
  CHECK(config.logging_enabled);
  CHECK(config.logging_path == "/home/someone/.local/share/shed/extensions-audit.log");
}

TEST_CASE("sections without a value are as good as absent") {
  const HostConfig config = config_of("server:\nssh:\naws: ~\ndocker: null\nlogging:\ndiscovery:\n");
  CHECK(config.server_url == "http://localhost:8080");
  CHECK(config.ssh_approval.omitted);
  CHECK_FALSE(config.discovery.has_value());
}

TEST_CASE("an omitted policy is deny-all and known to be omitted") {
  const HostConfig config = config_of("ssh: { approval: { scope: per-shed } }\naws: { approval: {} }\n");
  for (const Namespace ns : kNamespaces) {
    CHECK(config.approval(ns).policy == Policy::kDenyAll);
    CHECK(config.approval(ns).omitted);
  }
}

TEST_CASE("a written deny-all is not an omitted one") {
  CHECK_FALSE(config_of("aws: { approval: { policy: deny-all } }").aws.approval.omitted);
}

TEST_CASE("the reason for an omitted policy names the line to add") {
  CHECK(omitted_policy_reason(Namespace::kSsh) ==
        "ssh.approval.policy is not set, so deny-all: add \"ssh: { approval: { policy: approve-all } }\" to "
        "extensions.yaml");
  CHECK(omitted_policy_reason(Namespace::kDocker)
            .starts_with("docker.approval.policy is not set, so deny-all"));
}

TEST_CASE("the line that the reason tells to add is valid and approves") {
  for (const Namespace ns : kNamespaces) {
    const std::string reason = omitted_policy_reason(ns);
    const std::size_t begin = reason.find('"') + 1;
    const HostConfig config = config_of(reason.substr(begin, reason.rfind('"') - begin));
    CHECK(config.approval(ns).policy == Policy::kApproveAll);
  }
}

TEST_CASE("a biometric policy has its scope and time") {
  const Approval& approval =
      ssh_approval("{ policy: biometrics-or-password, scope: per-shed, session_ttl: 1h }");
  CHECK(approval.policy == Policy::kBiometricsOrPassword);
  CHECK(approval.scope == Scope::kPerShed);
  CHECK(approval.session_ttl == 1h);
}

TEST_CASE("the older enabled: false is approve-all") {
  const Approval& approval = ssh_approval("{ enabled: false, policy: per-session }");
  CHECK(approval.policy == Policy::kApproveAll);
  CHECK_FALSE(approval.omitted);
}

TEST_CASE("the older enabled: true is the biometric policy with its scope") {
  const Approval& approval = ssh_approval("{ enabled: true, policy: per-request, session_ttl: 30m }");
  CHECK(approval.policy == Policy::kBiometrics);
  CHECK(approval.scope == Scope::kPerRequest);
  CHECK(approval.session_ttl == 30min);
}

TEST_CASE("the older enabled: true alone asks per session") {
  const Approval& approval = ssh_approval("{ enabled: on }");
  CHECK(approval.policy == Policy::kBiometrics);
  CHECK(approval.scope == Scope::kPerSession);
  CHECK_FALSE(approval.omitted);
}

TEST_CASE("a scope as policy asks also without enabled") {
  const Approval& approval = ssh_approval("{ policy: per-shed }");
  CHECK(approval.policy == Policy::kBiometrics);
  CHECK(approval.scope == Scope::kPerShed);
}

TEST_CASE("the older form asks over the approval channel where there are no biometrics") {
  const HostConfig config =
      config_of("aws: { approval: { enabled: true } }\ndocker: { approval: { policy: per-request } }\n");
  CHECK(config.aws.approval.policy == Policy::kShedDesktop);
  CHECK(config.docker.approval.policy == Policy::kShedDesktop);
  CHECK(config.docker.approval.scope == Scope::kPerRequest);
}

TEST_CASE("enabled beside a policy of today is valid when it says the same") {
  CHECK(ssh_approval("{ enabled: true, policy: biometrics-or-password }").policy ==
        Policy::kBiometricsOrPassword);
  CHECK(ssh_approval("{ enabled: true, policy: deny-all }").policy == Policy::kDenyAll);
  CHECK(ssh_approval("{ enabled: false, policy: approve-all }").policy == Policy::kApproveAll);
}

TEST_CASE("approval settings that contradict each other are refused") {
  CHECK(problem_of("ssh: { approval: { enabled: false, policy: deny-all } }")
            .find("contradicts policy deny-all") != std::string::npos);
  CHECK(problem_of("ssh: { approval: { enabled: true, policy: approve-all } }").find("contradicts") !=
        std::string::npos);
  CHECK(problem_of("ssh: { approval: { policy: per-shed, scope: per-request } }").find("contradicts scope") !=
        std::string::npos);
}

TEST_CASE("the most specific AWS setting wins, each on its own") {
  const HostConfig config = config_of(R"(
aws:
  default_role: arn:aws:iam::1:role/top
  session_duration: 2h
  sheds: { web: { role: "arn:aws:iam::1:role/web" }, db: { session_duration: 20m } }
  servers:
    mini2:
      default_role: arn:aws:iam::1:role/mini2
      sheds: { web: { mode: passthrough } , db: { role: "arn:aws:iam::1:role/mini2-db" } }
)");
  CHECK(config.aws_for("other", "x").role == "arn:aws:iam::1:role/top");
  CHECK(config.aws_for("mini2", "x").role == "arn:aws:iam::1:role/mini2");
  CHECK(config.aws_for("other", "web").role == "arn:aws:iam::1:role/web");
  CHECK(config.aws_for("mini2", "web").role == "arn:aws:iam::1:role/web");
  CHECK(config.aws_for("mini2", "web").mode == AwsMode::kPassthrough);
  CHECK(config.aws_for("mini2", "db").role == "arn:aws:iam::1:role/mini2-db");
  CHECK(config.aws_for("mini2", "db").session_duration == 20min);
  CHECK(config.aws_for("other", "web").session_duration == 2h);
}

TEST_CASE("empty AWS settings inherit") {
  const HostConfig config = config_of(R"(
aws:
  default_role: arn:aws:iam::1:role/top
  mode: passthrough
  servers: { mini2: { default_role: "", mode: "", session_duration: "", sheds: { web: { role: "", mode: "" } } } }
)");
  CHECK(config.aws_for("mini2", "web").role == "arn:aws:iam::1:role/top");
  CHECK(config.aws_for("mini2", "web").mode == AwsMode::kPassthrough);
}

TEST_CASE("AWS is on as soon as one guest has a role or passthrough") {
  CHECK_FALSE(config_of("aws: { servers: { m: { sheds: { w: { mode: assume-role } } } } }").aws_enabled());
  CHECK(config_of("aws: { servers: { m: { sheds: { w: { mode: passthrough } } } } }").aws_enabled());
  CHECK(config_of("aws: { sheds: { w: { role: 'arn:aws:iam::1:role/w' } } }").aws_enabled());
}

TEST_CASE("a list of registries without a value inherits and is mentioned") {
  const HostConfig config =
      config_of("docker:\n  registries: [ghcr.io]\n  servers:\n    m:\n      registries:\n");
  CHECK(config.docker_for("m", "x").registries == std::vector<std::string>{"ghcr.io"});
  REQUIRE(config.notices.size() == 1);
  CHECK(config.notices[0].text ==
        "docker.servers.m.registries has no value, so the inherited list counts; write [] for an empty one");
}

TEST_CASE("sections of existing files without a use here are mentioned, not refused") {
  const HostConfig config = config_of("rc_hub: { enabled: true }\ndesktop: { socket_path: x }\n");
  REQUIRE(config.notices.size() == 2);
  CHECK(config.notices[0].format() == "extensions.yaml:1:9: 'rc_hub' has no effect in this program");
}

TEST_CASE("a boolean is written in eleven ways each") {
  for (const char* word : {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"}) {
    CHECK(config_of("docker: { allow_all: " + std::string(word) + " }").docker_for("", "").allow_all);
  }
  for (const char* word : {"n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"}) {
    CHECK_FALSE(config_of("logging: { enabled: " + std::string(word) + " }").logging_enabled);
  }
}

TEST_CASE("a word that could be a boolean is text where text is wanted") {
  const HostConfig config =
      config_of("discovery: { servers: [yes, n], watch: off }\naws: { source_profile: on }\n");
  CHECK(config.discovery->watch == Watch::kOff);
  CHECK(config.discovery->servers.selects("yes"));
  CHECK(config.aws.source_profile == "on");
}

TEST_CASE("paths begin at the home directory that is passed in") {
  const HostConfig config = config_of(
      "token_file: ~/t\nlogging: { path: ~/log }\ndocker: { config_path: ~ }\ndiscovery: { servers: all }\n");
  CHECK(config.token_file == "/home/someone/t");
  CHECK(config.logging_path == "/home/someone/log");
  CHECK(config.discovery->source == "/home/someone/.shed/config.yaml");
}

TEST_CASE("the built-in configuration approves ssh and nothing else") {
  const HostConfig config = built_in_config(kHome);
  CHECK(config.ssh_approval.policy == Policy::kApproveAll);
  CHECK(config.aws.approval.policy == Policy::kDenyAll);
  CHECK(config.docker.approval.policy == Policy::kDenyAll);
  CHECK(config.logging_enabled);
  CHECK(config.logging_path == "/home/someone/.local/share/shed/extensions-audit.log");
}
