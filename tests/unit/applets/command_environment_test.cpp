#include "up/command_environment.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "shed/base/file.h"
#include "support/environment_variable.h"
#include "up/runtime_directory.h"

namespace shed::applets {
namespace {

using Lines = std::vector<std::string>;

Lines applied(const CommandEnvironment& environment, std::vector<const char*> from) {
  from.push_back(nullptr);
  return environment.apply(from.data());
}

bool has(const Lines& lines, std::string_view line) { return std::ranges::find(lines, line) != lines.end(); }
bool names(const Lines& lines, std::string_view name) {
  return std::ranges::any_of(lines, [&](const std::string& line) {
    return line.starts_with(name) && line.substr(name.size()).starts_with('=');
  });
}

Lines led_to_endpoint(std::vector<const char*> from, std::string region = "eu-west-1") {
  CommandEnvironment environment;
  lead_to_endpoint(environment, {"http://127.0.0.1:1/credentials", "token", "/run/empty", std::move(region)});
  return applied(environment, std::move(from));
}

TEST_CASE("what is set replaces, what is removed is gone, the rest stays in its order") {
  CommandEnvironment environment;
  environment.set("B", "new");
  environment.remove("C");
  CHECK(applied(environment, {"A=1", "B=old", "C=3", "BB=4", "=x"}) == Lines{"A=1", "BB=4", "=x", "B=new"});
}

TEST_CASE("a default counts only where nothing is set") {
  CommandEnvironment environment;
  environment.set_default("A", "default");
  CHECK(applied(environment, {"A=set"}) == Lines{"A=set"});
  CHECK(applied(environment, {"B=2"}) == Lines{"B=2", "A=default"});
}

TEST_CASE("a variable that is set twice is set once") {
  CommandEnvironment environment;
  environment.set("A", "1");
  environment.set("A", "2");
  CHECK(applied(environment, {"A=x", "A=y"}) == Lines{"A=2"});
}

TEST_CASE("SDKs find the endpoint and its token, and an empty configuration") {
  const Lines lines = led_to_endpoint({"AWS_CONFIG_FILE=/home/me/aws"});
  CHECK(has(lines, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/credentials"));
  CHECK(has(lines, "AWS_CONTAINER_AUTHORIZATION_TOKEN=token"));
  CHECK(has(lines, "AWS_CONFIG_FILE=/run/empty"));
  CHECK(has(lines, "AWS_SHARED_CREDENTIALS_FILE=/run/empty"));
}

TEST_CASE("what outranks the endpoint is hidden from the command") {
  const std::string name =
      GENERATE("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
               "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
               "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  const std::string entry = name + "=mine";
  CHECK_FALSE(names(led_to_endpoint({entry.c_str()}), name));
}

TEST_CASE("what says where AWS is stays") {
  const Lines lines = led_to_endpoint(
      {"AWS_ENDPOINT_URL=http://localhost:5000", "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=us-east-2"});
  CHECK(has(lines, "AWS_ENDPOINT_URL=http://localhost:5000"));
  CHECK(has(lines, "AWS_EC2_METADATA_DISABLED=true"));
  CHECK(has(lines, "AWS_REGION=us-east-2"));
  CHECK(has(lines, "AWS_DEFAULT_REGION=eu-west-1"));
}

TEST_CASE("a profile without a region sets none") {
  const Lines lines = led_to_endpoint({}, "");
  CHECK_FALSE(names(lines, "AWS_REGION"));
  CHECK_FALSE(names(lines, "AWS_DEFAULT_REGION"));
}

TEST_CASE("the region is that of the profile that the host agent uses") {
  const auto folder = RuntimeDirectory::make();
  REQUIRE(folder);
  std::ofstream(folder->file("config")) << "[default]\nregion = eu-west-1\n[profile work]\nregion = "
                                           "eu-north-1\n[profile mine]\nregion = us-west-2\n";
  const EnvironmentVariable config_file("AWS_CONFIG_FILE", folder->file("config"));
  const EnvironmentVariable credentials_file("AWS_SHARED_CREDENTIALS_FILE", folder->file("none"));
  const EnvironmentVariable profile("AWS_PROFILE", "mine");
  broker::HostConfig config;
  CHECK(profile_region(config) == "us-west-2");
  config.aws.source_profile = "work";
  config.aws.source_profile_written = true;
  CHECK(profile_region(config) == "eu-north-1");
  config.aws.source_profile = "gone";
  CHECK(profile_region(config) == "");
}

}  // namespace
}  // namespace shed::applets
