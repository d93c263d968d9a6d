// The configuration against what the existing implementation makes of the same files.
#include "host_config_testing.h"

using namespace shed;
using namespace shed::broker;
using namespace shed::broker::testing;

namespace {

// A populated aws.sheds is documented, so it is valid here, unlike in the vectors.
bool valid_here_on_purpose(const JsonValue& vector) {
  return text_of(vector, "error_substring") == "aws.sheds was removed";
}

bool contains(const std::vector<std::string>& lines, const std::string& part) {
  return std::ranges::any_of(lines,
                             [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("files are valid or not as the existing implementation has it") {
  each_vector("config_validate.json", [](const JsonValue& vector) {
    INFO(text_of(vector, "name"));
    const auto lines = problems_of(text_of(vector, "config_yaml"));
    CAPTURE(lines);
    const bool valid = *vector["valid"].boolean() || valid_here_on_purpose(vector);
    CHECK(lines.empty() == valid);
    if (!valid) CHECK(contains(lines, text_of(vector, "error_substring")));
  });
}

TEST_CASE("roles, modes and durations resolve as the existing implementation has it") {
  each_vector("aws_resolve.json", [](const JsonValue& vector) {
    INFO(text_of(vector, "name"));
    const HostConfig config = config_of(text_of(vector, "config_yaml"));
    CHECK(config.aws_enabled() == *vector["enabled"].boolean());
    const JsonValue defaults = vector["defaults"];
    CHECK(config.aws.source_profile == text_of(defaults, "source_profile"));
    CHECK(config.aws.cache_refresh_before == *parse_duration(text_of(defaults, "cache_refresh_before")));
    CHECK(config.aws_for("", "").session_duration == *parse_duration(text_of(defaults, "session_duration")));
    for (const JsonValue& query : vector["queries"].elements()) {
      const ResolvedAws aws = config.aws_for(text_of(query, "server"), text_of(query, "shed"));
      CHECK(aws.role == text_of(query, "role"));
      CHECK(aws_mode_name(aws.mode) == text_of(query, "mode"));
      CHECK(aws.session_duration == *parse_duration(text_of(query, "session_duration")));
    }
  });
}

TEST_CASE("registries resolve as the existing implementation has it") {
  each_vector("docker_resolve.json", [](const JsonValue& vector) {
    INFO(text_of(vector, "name"));
    const HostConfig config = config_of(text_of(vector, "config_yaml"));
    for (const JsonValue& query : vector["queries"].elements()) {
      const ResolvedDocker docker = config.docker_for(text_of(query, "server"), text_of(query, "shed"));
      std::vector<std::string> expected;
      for (const JsonValue& registry : query["registries"].elements())
        expected.emplace_back(*registry.string());
      CHECK(docker.allow_all == *query["allow_all"].boolean());
      CHECK(docker.registries == expected);
    }
  });
}

TEST_CASE("each policy name has the effect that the existing implementation gives it") {
  each_vector("effective_policy.json", [](const JsonValue& vector) {
    const std::string raw = text_of(vector, "raw");
    const HostConfig config = config_of("ssh: { approval: { policy: \"" + raw + "\" } }");
    CHECK(policy_name(config.ssh_approval.policy) == text_of(vector, "effective"));
  });
}

TEST_CASE("the namespaces that ask are those that the existing implementation names") {
  const auto policy = [](const JsonValue& vector, std::string_view key) {
    return parse_policy(text_of(vector, key)).value_or(Policy::kDenyAll);
  };
  each_vector("gate_namespaces.json", [&](const JsonValue& vector) {
    std::vector<std::string_view> expected;
    for (const JsonValue& name : vector["gate"].elements()) expected.push_back(*name.string());
    CHECK(gate_namespaces(policy(vector, "ssh"), policy(vector, "aws"), policy(vector, "docker")) ==
          expected);
  });
}

TEST_CASE("servers are discovered as the existing implementation has it") {
  each_vector("load_discovered_servers.json", [](const JsonValue& vector) {
    INFO(text_of(vector, "name"));
    const auto servers = parse_discovered_servers(text_of(vector, "config_yaml"), "config.yaml");
    REQUIRE(servers.has_value());
    const auto expected = vector["expected"].elements();
    REQUIRE(servers->size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK((*servers)[i].name == text_of(expected[i], "name"));
      CHECK((*servers)[i].url == text_of(expected[i], "url"));
      CHECK((*servers)[i].token.reveal() == text_of(expected[i], "token"));
      CHECK((*servers)[i].tls_fingerprint == text_of(expected[i], "tls_fingerprint"));
      CHECK((*servers)[i].ssh_host == text_of(expected[i], "ssh_host"));
      CHECK((*servers)[i].ssh_port == expected[i]["ssh_port"].integer());
    }
  });
}

TEST_CASE("the selector chooses the servers that the existing implementation chooses") {
  each_vector("server_selector.json", [](const JsonValue& vector) {
    INFO(text_of(vector, "name"));
    const std::string selector = text_of(vector, "selector_yaml");
    const HostConfig config = config_of("discovery:\n  " + selector);
    REQUIRE(config.discovery.has_value());
    for (const JsonValue& query : vector["queries"].elements()) {
      CHECK(config.discovery->servers.selects(text_of(query, "name")) == *query["selected"].boolean());
    }
  });
}
