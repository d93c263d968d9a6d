// What the person reads about a configuration that is wrong.
#include "host_config_testing.h"

using namespace shed::broker;
using namespace shed::broker::testing;

TEST_CASE("an unknown key is shown with its place and the key that was meant") {
  CHECK(problem_of("ssh:\n  mode: \"\"\n  approval:\n    polcy: approve-all\n") ==
        "extensions.yaml:4:5: 'polcy' is not a key of ssh.approval, did you mean 'policy'?");
}

TEST_CASE("an unknown key that resembles none comes with the keys there are") {
  CHECK(problem_of("logging: { colour: red }") ==
        "extensions.yaml:1:12: 'colour' is not a key of logging; known are enabled, path");
}

TEST_CASE("unknown keys are found at every level") {
  CHECK(problem_of("sshh: {}") ==
        "extensions.yaml:1:1: 'sshh' is not a key of this file, did you mean 'ssh'?");
  CHECK(problem_of("ssh: { modes: x }").find("'modes' is not a key of ssh, did you mean 'mode'?") !=
        std::string::npos);
  CHECK(problem_of("aws: { defaultrole: x }").find("key of aws, did you mean 'default_role'?") !=
        std::string::npos);
  CHECK(problem_of("aws: { sheds: { web: { roles: x } } }")
            .find("key of aws.sheds.web, did you mean 'role'?") != std::string::npos);
  CHECK(problem_of("aws: { servers: { m: { role: x } } }").find("'role' is not a key of aws.servers.m") !=
        std::string::npos);
  CHECK(problem_of("aws: { servers: { m: { sheds: { w: { mod: x } } } } }")
            .find("key of aws.servers.m.sheds.w, did you mean 'mode'?") != std::string::npos);
  CHECK(problem_of("docker: { registry: x }").find("key of docker, did you mean 'registries'?") !=
        std::string::npos);
  CHECK(problem_of("docker: { servers: { m: { allowall: x } } }")
            .find("key of docker.servers.m, did you mean 'allow_all'?") != std::string::npos);
  CHECK(problem_of("docker: { servers: { m: { sheds: { w: { allow-all: x } } } } }")
            .find("key of docker.servers.m.sheds.w, did you mean 'allow_all'?") != std::string::npos);
  CHECK(problem_of("discovery: { server: x }").find("key of discovery, did you mean 'servers'?") !=
        std::string::npos);
}

TEST_CASE("everything wrong is reported at once and in the order of the file") {
  CHECK(problems_of("aws:\n  mode: bogus\napproval_timeout: 10\nssh: []\n") ==
        std::vector<std::string>{
            "extensions.yaml:2:9: aws.mode \"bogus\" is not one of assume-role, passthrough",
            "extensions.yaml:3:19: approval_timeout \"10\" is not a valid duration, it has no unit: 10s",
            "extensions.yaml:4:6: ssh must be a map with keys such as 'mode', here is a list"});
}

TEST_CASE("a second equal key is an error that names the first") {
  CHECK(problem_of("server: http://a:8080\nssh: {}\nserver: http://b:8080\n") ==
        "extensions.yaml:3:1: 'server' stands here a second time, after line 1; keep one of the two");
}

TEST_CASE("equal keys are found in maps of names too") {
  CHECK(problem_of("aws:\n  sheds:\n    web: {}\n    web: {}\n")
            .find(":4:5: 'web' stands here a second time") != std::string::npos);
}

TEST_CASE("a policy that the namespace does not have is answered with those it has") {
  CHECK(problem_of("ssh: { approval: { policy: aprove-all } }") ==
        "extensions.yaml:1:28: ssh.approval.policy \"aprove-all\" is not one of deny-all, approve-all, "
        "shed-desktop, prompt, "
        "biometrics, biometrics-or-password, did you mean 'approve-all'?");
  CHECK(problem_of("docker: { approval: { policy: biometrics } }") ==
        "extensions.yaml:1:31: docker.approval.policy \"biometrics\" is not one of deny-all, approve-all, "
        "shed-desktop, prompt; only ssh can use it");
}

TEST_CASE("a duration that is no duration says how one is written") {
  CHECK(problem_of("approval_timeout: soon") ==
        "extensions.yaml:1:19: approval_timeout \"soon\" is not a valid duration, write it like 25s, 5m or "
        "1h30m");
  CHECK(problem_of("aws: { session_duration: 0s }") ==
        "extensions.yaml:1:26: aws.session_duration \"0s\" must be positive, at least 1ms");
  CHECK(problem_of("aws: { cache_refresh_before: 9000h }") ==
        "extensions.yaml:1:30: aws.cache_refresh_before \"9000h\" is too long, at most 8760h");
}

TEST_CASE("a value of another type is shown with what is wanted and what is there") {
  CHECK(problem_of("- ssh\n- aws\n") ==
        "extensions.yaml:1:1: the file must be a map with keys such as 'server', here is a list");
  CHECK(problem_of("server: [a]") == "extensions.yaml:1:9: server must be a text, here is a list");
  CHECK(problem_of("ssh: { approval: approve-all }") ==
        "extensions.yaml:1:18: ssh.approval must be a map with keys such as 'policy', here is a text");
  CHECK(problem_of("aws: { servers: [mini2] }") ==
        "extensions.yaml:1:17: aws.servers must be a map of names, here is a list");
  CHECK(problem_of("docker: { registries: ghcr.io }") ==
        "extensions.yaml:1:23: docker.registries must be a list such as [a, b], here is a text");
  CHECK(problem_of("docker: { registries: [ghcr.io, {}] }") ==
        "extensions.yaml:1:33: an entry of docker.registries must be a text, here is a map");
  CHECK(problem_of("docker: { allow_all: maybe }") ==
        "extensions.yaml:1:22: docker.allow_all must be true or false, \"maybe\" is neither");
  CHECK(problem_of("approval_timeout: {}") ==
        "extensions.yaml:1:19: approval_timeout must be a duration such as 25s, here is a map");
  CHECK(problem_of("discovery: { servers: { a: b } }") ==
        "extensions.yaml:1:23: discovery.servers must be all, a name or a list of names, here is a map");
}

TEST_CASE("a boolean in quotes is a text and refused with the remedy") {
  CHECK(problem_of("logging: { enabled: \"no\" }") ==
        "extensions.yaml:1:21: logging.enabled must be true or false; \"no\" in quotes is a text, remove the "
        "quotes");
}

TEST_CASE("a role that is no role's ARN is refused") {
  CHECK(problem_of("aws: { default_role: admin }") ==
        "extensions.yaml:1:22: aws.default_role \"admin\" is not the ARN of a role, like "
        "arn:aws:iam::123456789012:role/name");
  CHECK(problem_of("aws: { sheds: { w: { role: 'arn:aws:iam::1:user/me' } } }").find("aws.sheds.w.role") !=
        std::string::npos);
}

TEST_CASE("a server that is no URL of a bus is refused with what is wrong") {
  CHECK(problem_of("server: localhost:8080") ==
        "extensions.yaml:1:9: server \"localhost:8080\": it must begin with http://, https:// or unix:///");
  CHECK(problem_of("server: http://user@host") ==
        "extensions.yaml:1:9: server \"http://user@host\": a user name has no meaning here");
  CHECK(problem_of("server: unix://run/bus.sock") ==
        "extensions.yaml:1:9: server \"unix://run/bus.sock\": a unix socket is written unix:///path/to.sock");
}

TEST_CASE("a certificate pin on a plain http URL is an error") {
  const std::string pin = "tls_cert_fingerprint: sha256:" + std::string(64, 'a');
  CHECK(problem_of("server: http://host:8080\n" + pin) ==
        "extensions.yaml:2:23: tls_cert_fingerprint: the pin would check nothing, since the server's URL is "
        "not "
        "https://");
  CHECK(problems_of("server: https://host:8443\n" + pin).empty());
}

TEST_CASE("text that is not YAML is one problem with its place") {
  CHECK(problem_of("ssh:\n  mode: [a\n").find("not valid YAML: ") != std::string::npos);
}

TEST_CASE("control characters in a value are made visible in the message") {
  CHECK(problem_of("ssh: { mode: \"a\\e[31mb\" }") ==
        "extensions.yaml:1:14: ssh.mode \"a\\x1b[31mb\" is not one of agent-forward, local-keys");
}

TEST_CASE("a long value is cut in the message") {
  const std::string line = problem_of("ssh: { mode: " + std::string(5000, 'm') + " }");
  CHECK(line.find("mmm...\"") != std::string::npos);
  CHECK(line.size() < 200);
}
