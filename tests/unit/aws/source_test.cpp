#include "shed/aws/source.h"

#include <catch2/catch.hpp>

#include "source_fixture.h"

namespace shed::aws {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

constexpr std::string_view kKeys = "aws_access_key_id = AKIABASE\naws_secret_access_key = base-secret\n";

TEST_CASE_METHOD(SourceFixture, "a profile's keys are read from the credentials file") {
  credentials(fmt::format("[work]\n{}", kKeys));
  const auto source = resolve("work");
  REQUIRE(source);
  CHECK(source->credentials.access_key_id == "AKIABASE");
  CHECK(source->credentials.secret_access_key.reveal() == "base-secret");
  CHECK_FALSE(source->credentials.temporary());
}

TEST_CASE_METHOD(SourceFixture, "the files are read anew each time") {
  credentials(fmt::format("[work]\n{}", kKeys));
  CHECK(key("work") == "AKIABASE");
  credentials("[work]\naws_access_key_id = AKIANEW\naws_secret_access_key = s\n");
  CHECK(key("work") == "AKIANEW");
}

TEST_CASE_METHOD(SourceFixture, "session credentials come with their token, end and account") {
  credentials(
      fmt::format("[work]\n{}aws_session_token = base-token\naws_account_id = 123456789012\n"
                  "x_security_token_expires = 2026-03-31T16:00:00Z\n",
                  kKeys));
  const auto source = resolve("work");
  REQUIRE(source);
  CHECK(source->credentials.session_token.reveal() == "base-token");
  CHECK(source->credentials.account_id == "123456789012");
  CHECK(format_rfc3339(*source->credentials.expiration) == "2026-03-31T16:00:00Z");
}

TEST_CASE_METHOD(SourceFixture, "session credentials that are over by their own hint are named") {
  credentials(
      fmt::format("[work]\n{}aws_session_token = base-token\n"
                  "aws_session_expiration = 2026-03-31T15:04:05Z\n",
                  kKeys));
  CHECK(key("work") == "SourceExpired");
  CHECK(detail("work") ==
        "profile work (credentials:2): its session credentials expired at 2026-03-31T15:04:05Z; refresh them "
        "('aws sso login', or whatever wrote them)");
}

TEST_CASE_METHOD(SourceFixture, "a token in the other file belongs to other keys") {
  credentials(fmt::format("[work]\n{}", kKeys));
  config("[profile work]\naws_session_token = stale-token\n");
  const auto source = resolve("work");
  REQUIRE(source);
  CHECK_FALSE(source->credentials.temporary());
}

TEST_CASE_METHOD(SourceFixture, "a key of which each file has one half is told, with both places") {
  credentials("[work]\naws_access_key_id = AKIABASE\n");
  config("[profile work]\naws_secret_access_key = base-secret\n");
  CHECK(
      detail("work") ==
      "profile work: aws_access_key_id stands in credentials:2, aws_secret_access_key in config:2: they are "
      "not of one key");
}

TEST_CASE_METHOD(SourceFixture, "half a key is told, with file and line") {
  credentials("[work]\naws_access_key_id = AKIABASE\n[other]\naws_secret_access_key = base-secret\n");
  CHECK(detail("work") ==
        "profile work (credentials:2): it has aws_access_key_id without aws_secret_access_key");
  CHECK(detail("other") ==
        "profile other (credentials:4): it has aws_secret_access_key without aws_access_key_id");
}

TEST_CASE_METHOD(SourceFixture, "a profile that is missing has a neighbour") {
  config("[profile production]\nregion = eu-west-1\n");
  CHECK(detail("prodcution") ==
        "no profile prodcution in the AWS config and credentials files, did you mean production?");
  CHECK(detail("x").ends_with("set source_profile in the aws section to one of them"));
}

TEST_CASE_METHOD(SourceFixture, "without any files the owner is told where to begin") {
  CHECK(detail("default").ends_with("run 'aws configure', or set AWS_CONFIG_FILE for the host agent"));
}

TEST_CASE_METHOD(SourceFixture, "a broken file is named with its line, and quotes nothing") {
  credentials("[work]\naws_secret_access_key\n");
  const std::string text = detail("work");
  CHECK(text.find("credentials:2") != std::string::npos);
  CHECK(resolve("work").error().message == "the host's own AWS credentials cannot be used");
}

TEST_CASE_METHOD(SourceFixture, "a profile that says nothing of credentials is told") {
  config("[profile work]\nregion = eu-west-1\n");
  CHECK(detail("work").starts_with("profile work (config:1): it has neither keys nor role_arn"));
}

TEST_CASE_METHOD(SourceFixture, "a credential_process is run as it stands in the file") {
  config("[profile work]\ncredential_process = \"/opt/my tool\" get 'a b'\n");
  CHECK(key("work") == "AKIAPROGRAM");
  CHECK(program.commands.at(0) == Words{"/opt/my tool", "get", "a b"});
  CHECK(program.names.at(0) == fmt::format("credential_process of profile work ({}:2)", folder / "config"));
}

TEST_CASE_METHOD(SourceFixture, "a credential_process with an open quote is not run") {
  config("[profile work]\ncredential_process = tool \"secret\n");
  CHECK(detail("work") == "credential_process of profile work (config:2): a quote is not closed");
  CHECK(program.commands.empty());
}

TEST_CASE_METHOD(SourceFixture, "what a program's failure says is passed on") {
  config("[profile work]\ncredential_process = tool\n");
  program.failure = {Failure::Kind::kUnavailable, "Timeout", "for the guest", "for the log"};
  const auto source = resolve("work");
  REQUIRE_FALSE(source);
  CHECK(source.error().kind == Failure::Kind::kUnavailable);
  CHECK(source.error().detail == "for the log");
}

TEST_CASE_METHOD(SourceFixture, "SSO, logins and web identities are the aws command's") {
  for (const std::string_view key_line :
       {"sso_session = corp", "sso_start_url = https://x", "login_session = me",
        "web_identity_token_file = /t", "role_arn = arn:r\nweb_identity_token_file = /t"}) {
    CAPTURE(key_line);
    config(fmt::format("[profile work]\n{}\n", key_line));
    CHECK(key("work") == "AKIAPROGRAM");
    CHECK(program.commands.back() ==
          Words{"aws", "configure", "export-credentials", "--profile", "work", "--format", "process"});
  }
  CHECK(sts.requests.empty());
}

TEST_CASE_METHOD(SourceFixture, "an aws command that fails is said to be needed") {
  config("[profile work]\nsso_session = corp\n");
  program.failure = {Failure::Kind::kSource, "SourceProgram", "", "aws: no such file"};
  CHECK(detail("work") == "aws: no such file; it takes the AWS CLI, version 2.9 or newer, and a valid login");
  CHECK(program.names.at(0) ==
        fmt::format("sso_session of profile work ({}:2): 'aws configure export-credentials'",
                    folder / "config"));
}

TEST_CASE_METHOD(SourceFixture, "the environment's keys come first when no profile is given") {
  credentials(fmt::format("[default]\n{}", kKeys));
  variables["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  variables["AWS_SESSION_TOKEN"] = "env-token";
  variables["AWS_CREDENTIAL_EXPIRATION"] = "2026-03-31T16:00:00Z";
  const auto source = resolve("");
  REQUIRE(source);
  CHECK(source->credentials.access_key_id == "AKIAENV");
  CHECK(source->credentials.secret_access_key.reveal() == "env-secret");
  CHECK(source->credentials.session_token.reveal() == "env-token");
  CHECK(source->credentials.expiration);
  CHECK(key("default") == "AKIABASE");
}

TEST_CASE_METHOD(SourceFixture, "AWS_PROFILE names the profile when none is given, then it is default") {
  credentials(fmt::format("[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n[work]\n{}",
                          kKeys));
  CHECK(key("") == "AKIADEFAULT");
  variables["AWS_PROFILE"] = "work";
  CHECK(key("") == "AKIABASE");
  CHECK(key("default") == "AKIADEFAULT");
}

TEST_CASE_METHOD(SourceFixture, "half a key in the environment is told") {
  variables["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  CHECK(detail("") ==
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment: the secret access key is missing");
}

TEST_CASE_METHOD(SourceFixture, "a region that is none is told with its profile") {
  credentials(fmt::format("[work]\n{}", kKeys));
  config("[profile work]\nregion = evil.example/\n");
  CHECK(detail("work").starts_with("profile work: region: "));
}

}  // namespace
}  // namespace shed::aws
