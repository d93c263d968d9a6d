// The file on disk, the one to start from, and the description of what is in force.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host_config_testing.h"
#include "support/temporary_folder.h"

using namespace shed;
using namespace shed::broker;
using namespace shed::broker::testing;

TEST_CASE("a file is read and its path is in what is wrong with it") {
  const TemporaryFolder folder;
  const std::string path = folder / "extensions.yaml";
  REQUIRE(write_file_atomically(path, "ssh: { mode: local-keys }\n", 0600).has_value());
  const auto config = load_host_config(path);
  REQUIRE(config.has_value());
  CHECK(config->ssh_mode == SshMode::kLocalKeys);
  CHECK(config->file == path);

  REQUIRE(write_file_atomically(path, "ssh: { mode: best }\n", 0600).has_value());
  const auto broken = load_host_config(path);
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error()[0].format().starts_with(path + ":1:14: ssh.mode"));
}

TEST_CASE("a missing file is one problem with the command that writes one") {
  const TemporaryFolder folder;
  const std::string path = folder / "extensions.yaml";
  const auto config = load_host_config(path);
  REQUIRE_FALSE(config.has_value());
  REQUIRE(config.error().size() == 1);
  const std::string line = config.error()[0].format();
  CHECK(line.starts_with(path + ": no such file"));
  CHECK(line.ends_with("; write one with 'shed-ext host --init " + path + "'"));
}

TEST_CASE("a file that may not be read is one problem with the remedy") {
  if (geteuid() == 0) {
    WARN("not run: root may read every file");
    return;
  }
  const TemporaryFolder folder;
  const std::string path = folder / "extensions.yaml";
  REQUIRE(write_file_atomically(path, "ssh: {}\n", 0000).has_value());
  const auto config = load_host_config(path);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error()[0].format().ends_with("; let yourself read it with 'chmod u+r " + path + "'"));
}

TEST_CASE("a folder in place of the file is one problem") {
  const TemporaryFolder folder;
  const auto config = load_host_config(folder / "");
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().size() == 1);
}

TEST_CASE("a file that is too large is one problem") {
  const TemporaryFolder folder;
  const std::string path = folder / "extensions.yaml";
  REQUIRE(write_file_atomically(path, std::string(kMaxConfigBytes + 1, '#'), 0600).has_value());
  const auto config = load_host_config(path);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error()[0].text.find("is it the right file?") != std::string::npos);
}

TEST_CASE("the file to start from is valid, approves ssh and nothing else") {
  const HostConfig config = config_of(starter_config());
  CHECK(config.notices.empty());
  CHECK(config.ssh_approval.policy == Policy::kApproveAll);
  CHECK(config.aws.approval.policy == Policy::kDenyAll);
  CHECK(config.docker.approval.policy == Policy::kDenyAll);
  for (const Namespace ns : kNamespaces) CHECK_FALSE(config.approval(ns).omitted);
}

TEST_CASE("the file to start from stays valid when its commented settings are switched on") {
  std::string yaml(starter_config());
  for (std::size_t mark = yaml.find('#'); mark != std::string::npos; mark = yaml.find('#', mark + 1)) {
    if (yaml[mark + 1] >= 'a' && yaml[mark + 1] <= 'z') yaml.erase(mark, 1);
  }
  const std::size_t digits = yaml.find("<64 hex digits>");
  REQUIRE(digits != std::string::npos);
  yaml.replace(digits, 15, std::string(64, '0'));
  const std::size_t key = yaml.find("<43 characters>");
  REQUIRE(key != std::string::npos);
  yaml.replace(key, 15, std::string(43, 'A'));
  yaml.replace(yaml.find("http://localhost"), 7, "https://");
  const HostConfig config = config_of(yaml);
  CHECK(config.aws_for("mini2", "web").mode == AwsMode::kPassthrough);
  CHECK(config.aws_for("", "my-service").role == "arn:aws:iam::123456789012:role/my-service");
  CHECK(config.discovery.has_value());
  CHECK(config.docker_for("mini2", "web").registries == std::vector<std::string>{"ghcr.io"});
}

TEST_CASE("what is in force for a guest is described in aligned lines") {
  const HostConfig config = config_of(R"(
approval_timeout: 40s
ssh: { mode: local-keys, approval: { policy: biometrics, scope: per-shed, session_ttl: 90m } }
aws:
  default_role: arn:aws:iam::1:role/top
  servers: { mini2: { sheds: { web: { role: "arn:aws:iam::1:role/web", session_duration: 30m } } } }
docker:
  approval: { policy: shed-desktop }
  registries: [ghcr.io, index.docker.io]
logging: { path: /var/log/audit }
)");
  CHECK(describe_for_shed(config, "mini2", "web") ==
        "configuration       extensions.yaml\n"
        "bus                 http://localhost:8080\n"
        "guest               web on mini2\n"
        "ssh-agent           biometrics, per-shed, a yes counts for 1h30m\n"
        "  mode              local-keys\n"
        "  limit             1000 requests at once, then 120 a minute\n"
        "aws-credentials     omitted, so deny-all: add \"aws: { approval: { policy: approve-all } }\" to "
        "allow it\n"
        "  limit             300 requests at once, then 120 a minute\n"
        "  mode              assume-role\n"
        "  profile           AWS_ACCESS_KEY_ID, else AWS_PROFILE, else default\n"
        "  role              arn:aws:iam::1:role/web\n"
        "  session           30m, renewed 5m before its end\n"
        "docker-credentials  shed-desktop, 40s to answer\n"
        "  limit             400 requests at once, then 120 a minute\n"
        "  registries        ghcr.io, index.docker.io\n"
        "  logins from       $DOCKER_CONFIG/config.json, else ~/.docker/config.json\n"
        "audit log           /var/log/audit\n");
}

TEST_CASE("the description says what is missing and what is off") {
  const HostConfig config = config_of("logging: { enabled: false }\ndiscovery: { servers: all }\n");
  const std::string text = describe_for_shed(config, "", "web");
  CHECK(text.find("bus                 servers from /home/someone/.shed/config.yaml\n") != std::string::npos);
  CHECK(text.find("guest               web\n") != std::string::npos);
  CHECK(text.find("  role              none, so no credentials: add aws: { sheds: { web: { role: "
                  "\"arn:aws:iam::<account>:role/<name>\" } } }\n") != std::string::npos);
  CHECK(text.find("  registries        none: list them in docker.registries\n") != std::string::npos);
  CHECK(text.find("audit log           off (logging.enabled: false)\n") != std::string::npos);
}
