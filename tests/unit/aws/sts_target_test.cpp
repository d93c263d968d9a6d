// Where STS is, by profile and environment.
#include <catch2/catch.hpp>
#include <map>

#include "shed/aws/source.h"

namespace shed::aws {
namespace {

struct TargetFixture {
  StsTarget target() {
    const auto files = ProfileFiles::parse(config, "config", "", "credentials");
    REQUIRE(files);
    auto result =
        sts_target(*files, files->profile("work"), [this](const char* name) { return variables[name]; });
    INFO((result ? "" : result.error().text()));
    REQUIRE(result);
    return *result;
  }
  std::string origin() { return target().endpoint.url.origin(); }

  std::string config = "[profile work]\n";
  std::map<std::string, std::string> variables;
};

TEST_CASE_METHOD(TargetFixture, "the profile's region counts before the environment's") {
  CHECK(origin() == "https://sts.amazonaws.com:443");
  variables["AWS_DEFAULT_REGION"] = "eu-west-1";
  CHECK(origin() == "https://sts.eu-west-1.amazonaws.com:443");
  variables["AWS_REGION"] = "eu-west-2";
  CHECK(target().endpoint.signing_region == "eu-west-2");
  config += "region = eu-west-3\n";
  CHECK(target().endpoint.signing_region == "eu-west-3");
}

TEST_CASE_METHOD(TargetFixture, "overrides count in the order of the SDKs") {
  config += "endpoint_url = http://127.0.0.1:4\n";
  CHECK(origin() == "http://127.0.0.1:4");
  config += "services = local\n[services local]\nsts =\n  endpoint_url = http://127.0.0.1:3\n";
  CHECK(origin() == "http://127.0.0.1:3");
  variables["AWS_ENDPOINT_URL"] = "http://127.0.0.1:2";
  CHECK(origin() == "http://127.0.0.1:2");
  variables["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:1";
  CHECK(origin() == "http://127.0.0.1:1");
}

TEST_CASE_METHOD(TargetFixture, "overrides can be switched off") {
  config += "endpoint_url = http://127.0.0.1:4\n";
  variables["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:1";
  variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  CHECK(origin() == "https://sts.amazonaws.com:443");
}

TEST_CASE_METHOD(TargetFixture, "a profile switches off its own overrides only") {
  config += "endpoint_url = http://127.0.0.1:4\nignore_configured_endpoint_urls = true\n";
  CHECK(origin() == "https://sts.amazonaws.com:443");
}

TEST_CASE_METHOD(TargetFixture, "an override that is no URL is told where it stands") {
  config += "endpoint_url = nonsense\n";
  const auto files = ProfileFiles::parse(config, "config", "", "credentials");
  REQUIRE(files);
  const auto result = sts_target(*files, files->profile("work"), [](const char*) { return std::string(); });
  REQUIRE_FALSE(result);
  CHECK(result.error().text().starts_with("endpoint_url (config:2): "));
}

TEST_CASE_METHOD(TargetFixture, "the environment's CA bundle counts before the profile's") {
  CHECK(target().ca_file.empty());
  config += "ca_bundle = /profile.pem\n";
  CHECK(target().ca_file == "/profile.pem");
  variables["AWS_CA_BUNDLE"] = "/environment.pem";
  CHECK(target().ca_file == "/environment.pem");
}

TEST_CASE_METHOD(TargetFixture, "the environment's proxy is passed on") {
  variables["HTTPS_PROXY"] = "http://proxy:8080";
  variables["NO_PROXY"] = "internal";
  CHECK(target().proxy.https_proxy == "http://proxy:8080");
  CHECK(target().proxy.no_proxy == "internal");
}

TEST_CASE("without any profile the environment alone counts") {
  const auto files = ProfileFiles::parse("", "config", "", "credentials");
  REQUIRE(files);
  const auto result = sts_target(*files, nullptr, [](const char* name) {
    return std::string(name) == "AWS_REGION" ? "cn-north-1" : "";
  });
  REQUIRE(result);
  CHECK(result->endpoint.url.address.host == "sts.cn-north-1.amazonaws.com.cn");
}

}  // namespace
}  // namespace shed::aws
