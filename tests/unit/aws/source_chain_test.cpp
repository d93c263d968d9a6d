// Profiles that assume roles with other profiles.
#include <catch2/catch.hpp>

#include "source_fixture.h"

namespace shed::aws {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct ChainFixture : SourceFixture {
  ChainFixture() {
    credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base-secret\n");
  }
};

TEST_CASE_METHOD(ChainFixture, "a chain of roles is assumed from its base on") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\nregion = eu-west-1\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = base\nregion = us-west-2\n");
  CHECK(key("a") == "arn:a");
  CHECK(sts.sources == Words{"AKIABASE", "arn:b"});
  CHECK(sts.regions == Words{"eu-west-1", "eu-west-1"});
  CHECK(sts.requests.at(0).session_name == "shed-host-1774969445");
}

TEST_CASE_METHOD(ChainFixture, "a role's keys of the profile are sent") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = base\nrole_session_name = me\nexternal_id = 42\n"
      "duration_seconds = 7200\n");
  CHECK(key("a") == "arn:a");
  CHECK(sts.requests.at(0).session_name == "me");
  CHECK(sts.requests.at(0).external_id == "42");
  CHECK(sts.requests.at(0).duration == 2h);
}

TEST_CASE_METHOD(ChainFixture, "a role assumed with a role lasts an hour at most") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\nduration_seconds = 7200\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = base\nduration_seconds = 100000\n");
  CHECK(key("a") == "arn:a");
  CHECK(sts.requests.at(0).duration == 12h);
  CHECK(sts.requests.at(1).duration == 1h);
}

TEST_CASE_METHOD(ChainFixture, "a duration that is no number is told") {
  for (const char* text : {"1h", "-1", "", "99999999999"}) {
    CAPTURE(text);
    config(
        fmt::format("[profile a]\nrole_arn = arn:a\nsource_profile = base\nduration_seconds = {}\n", text));
    if (*text == '\0') {
      CHECK(key("a") == "arn:a");
    } else {
      CHECK(detail("a") == "duration_seconds of profile a (config:4): it is no number of seconds");
    }
  }
}

TEST_CASE_METHOD(ChainFixture, "a loop is told with the way around") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = c\n"
      "[profile c]\nrole_arn = arn:c\nsource_profile = b\n");
  CHECK(detail("a") == "source_profile of profile c (config:9): the profiles form a loop: b -> c -> b");
}

TEST_CASE_METHOD(ChainFixture, "a role profile may be its own source when it has keys") {
  config("[profile base]\nrole_arn = arn:a\nsource_profile = base\n");
  CHECK(key("base") == "arn:a");
  CHECK(sts.sources == Words{"AKIABASE"});
  config("[profile a]\nrole_arn = arn:a\nsource_profile = a\n");
  CHECK(detail("a") == "source_profile of profile a (config:3): the profiles form a loop: a -> a");
}

TEST_CASE_METHOD(ChainFixture, "a source that is missing is told where it is named") {
  config("[profile a]\nrole_arn = arn:a\nsource_profile = bsae\n");
  CHECK(detail("a") ==
        "source_profile of profile a (config:3): no profile bsae in the AWS config and credentials files, "
        "did you "
        "mean base?");
}

TEST_CASE_METHOD(ChainFixture, "eight roles are a chain, nine are not") {
  std::string text;
  for (int i = 1; i <= 9; ++i) {
    text += fmt::format("[profile p{}]\nrole_arn = arn:{}\nsource_profile = {}\n", i, i,
                        i == 1 ? "base" : fmt::format("p{}", i - 1));
  }
  config(text);
  CHECK(key("p8") == "arn:8");
  CHECK(detail("p9") == "role_arn of profile p1 (config:2): the chain of profiles has more than 8 roles");
}

TEST_CASE_METHOD(ChainFixture, "a role needs one source, not two") {
  config(
      "[profile none]\nrole_arn = arn:a\n"
      "[profile both]\nrole_arn = arn:a\nsource_profile = base\ncredential_source = Environment\n");
  CHECK(detail("none") ==
        "role_arn of profile none (config:2): it needs one of source_profile and credential_source, and has "
        "neither");
  CHECK(detail("both") ==
        "role_arn of profile both (config:4): it needs one of source_profile and credential_source, and has "
        "both");
}

TEST_CASE_METHOD(ChainFixture, "a role that wants an MFA code is told that nobody can be asked") {
  config("[profile a]\nrole_arn = arn:a\nsource_profile = base\nmfa_serial = arn:mfa\n");
  CHECK(detail("a").starts_with("mfa_serial of profile a (config:4): nobody can be asked for an MFA code"));
}

TEST_CASE_METHOD(ChainFixture, "a role may be assumed with the environment's keys") {
  config("[profile a]\nrole_arn = arn:a\ncredential_source = Environment\n");
  CHECK(detail("a") ==
        "credential_source of profile a (config:3): AWS_ACCESS_KEY_ID is not set in the host agent's "
        "environment");
  variables["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  CHECK(key("a") == "arn:a");
  CHECK(sts.sources == Words{"AKIAENV"});
}

TEST_CASE_METHOD(ChainFixture, "the instance's credentials and the role with them are the aws command's") {
  config("[profile a]\nrole_arn = arn:a\ncredential_source = Ec2InstanceMetadata\n");
  CHECK(key("a") == "AKIAPROGRAM");
  CHECK(program.commands.at(0) ==
        Words{"aws", "configure", "export-credentials", "--profile", "a", "--format", "process"});
  CHECK(sts.requests.empty());
  config("[profile a]\nrole_arn = arn:a\ncredential_source = Moon\n");
  CHECK(detail("a").ends_with("it must be Environment, Ec2InstanceMetadata or EcsContainer"));
}

TEST_CASE_METHOD(ChainFixture, "a role may be assumed with a program's credentials") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\ncredential_process = tool\n");
  CHECK(key("a") == "arn:a");
  CHECK(sts.sources == Words{"AKIAPROGRAM"});
}

TEST_CASE_METHOD(ChainFixture,
                 "a role on the way that is refused is the owner's affair, and named in the log") {
  config("[profile a]\nrole_arn = arn:a\nsource_profile = base\n");
  sts.failure = {Failure::Kind::kRefused, "AccessDenied", "not arn:a", "AccessDenied by STS"};
  const auto source = resolve("a");
  REQUIRE_FALSE(source);
  CHECK(source.error().kind == Failure::Kind::kSource);
  CHECK(source.error().code == "AccessDenied");
  CHECK(source.error().message == "the host's own AWS credentials cannot be used");
  CHECK(detail("a") == "role_arn of profile a (config:2): AccessDenied by STS");
}

TEST_CASE_METHOD(ChainFixture, "a chain stops at the first step that fails") {
  config(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = base\n");
  sts.failure = {Failure::Kind::kThrottled, "Throttling", "", ""};
  CHECK(key("a") == "Throttling");
  CHECK(sts.requests.size() == 1);
}

}  // namespace
}  // namespace shed::aws
