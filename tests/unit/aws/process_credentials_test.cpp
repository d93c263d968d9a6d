// The document that programs print.
#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/program.h"

namespace shed::aws {
namespace {

Result<Credentials> parse(const std::string& json) { return parse_process_credentials(json); }
std::string error_of(const std::string& json) {
  const auto credentials = parse(json);
  return credentials ? "" : credentials.error().text();
}
std::string document(std::string_view further) {
  return fmt::format(R"({{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"secret"{}}})", further);
}

TEST_CASE("keys without a token and an end are long-lived") {
  const auto credentials = parse(document(""));
  REQUIRE(credentials);
  CHECK_FALSE(credentials->temporary());
  CHECK_FALSE(credentials->expiration);
  CHECK(credentials->account_id.empty());
}

TEST_CASE("the aws command's expiration has an offset") {
  const auto credentials = parse(document(R"(,"Expiration":"2026-03-31T16:04:05+00:00")"));
  REQUIRE(credentials);
  CHECK(format_rfc3339(*credentials->expiration) == "2026-03-31T16:04:05Z");
}

TEST_CASE("fields that are null or unknown are passed over") {
  const auto credentials = parse(document(R"(,"SessionToken":null,"Expiration":null,"Further":{"a":[1]})"));
  REQUIRE(credentials);
  CHECK_FALSE(credentials->temporary());
}

TEST_CASE("an account id is digits, and anything else is none") {
  CHECK(parse(document(R"(,"AccountId":"123456789012")"))->account_id == "123456789012");
  CHECK(parse(document(R"(,"AccountId":"me")"))->account_id.empty());
  CHECK(parse(document(R"(,"AccountId":"1234567890123")"))->account_id.empty());
}

TEST_CASE("a document that is not one is told by what is wrong") {
  CHECK(error_of("") == "it is no JSON document");
  CHECK(error_of("secret") == "it is no JSON document");
  CHECK(error_of(document("") + "secret") == "it is no JSON document");
  CHECK(error_of("[]") == "it is no JSON object");
  CHECK(error_of("{}") == "it has no Version");
  CHECK(error_of(R"({"Version":"1"})") == "it has no Version");
  CHECK(error_of(R"({"Version":2})") == "its Version is not 1");
  CHECK(error_of(R"({"Version":1,"SecretAccessKey":"secret"})") == "the access key id is missing");
  CHECK(error_of(R"({"Version":1,"AccessKeyId":"AKIA1"})") == "the secret access key is missing");
  CHECK(error_of(R"({"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":7})") ==
        "the secret access key is missing");
  CHECK(error_of(document(R"(,"Expiration":"tomorrow")")) == "its Expiration is no time");
}

TEST_CASE("keys and tokens that would break a header line are refused") {
  CHECK(error_of(R"({"Version":1,"AccessKeyId":"AKIA\r\n1","SecretAccessKey":"secret"})") ==
        "the access key id holds characters that no key has");
  CHECK(error_of(R"({"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"sec ret"})") ==
        "the secret access key holds characters that no key has");
  CHECK(error_of(document(R"(,"SessionToken":"to\u0000ken")")) ==
        "the session token holds characters that no key has");
  CHECK(error_of(document(R"(,"SessionToken":"töken")")) ==
        "the session token holds characters that no key has");
}

TEST_CASE("keys and tokens have bounds") {
  CHECK(parse(document(fmt::format(R"(,"SessionToken":"{}")", std::string(16 * 1024, 't')))));
  CHECK(error_of(document(fmt::format(R"(,"SessionToken":"{}")", std::string(16 * 1024 + 1, 't')))) ==
        "the session token has more than 16384 characters");
  CHECK(error_of(fmt::format(R"({{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"s"}})",
                             std::string(129, 'A'))) == "the access key id has more than 128 characters");
}

}  // namespace
}  // namespace shed::aws
