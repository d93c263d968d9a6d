#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/sts_messages.h"

using namespace shed::aws;

namespace {

constexpr std::string_view kRole = "arn:aws:iam::123456789012:role/dev";

std::string shown(std::string_view message) { return without_account_details(message, kRole); }

}  // namespace

TEST_CASE("a refusal names the role, not who asked for it") {
  CHECK(
      shown(
          "User: arn:aws:iam::999999999999:user/me is not authorized to perform: sts:AssumeRole on resource: "
          "arn:aws:iam::123456789012:role/dev") ==
      "User: [hidden] is not authorized to perform: sts:AssumeRole on resource: "
      "arn:aws:iam::123456789012:role/dev");
}

TEST_CASE("a role's ARN stays before the signs of a sentence") {
  CHECK(shown("no arn:aws:iam::123456789012:role/dev.") == "no arn:aws:iam::123456789012:role/dev.");
  CHECK(shown("(arn:aws:iam::123456789012:role/dev), \"arn:aws:iam::123456789012:role/dev\"") ==
        "(arn:aws:iam::123456789012:role/dev), \"arn:aws:iam::123456789012:role/dev\"");
}

TEST_CASE("a role whose name ends like a sentence is known, too") {
  CHECK(without_account_details("no arn:aws:iam::1:role/dev. ok", "arn:aws:iam::1:role/dev.") ==
        "no arn:aws:iam::1:role/dev. ok");
}

TEST_CASE("every other ARN is hidden, also one that only starts like the role's") {
  CHECK(shown("arn:aws:iam::123456789012:role/dev2") == "[hidden]");
  CHECK(shown("arn:aws:sts::123456789012:assumed-role/dev/me@example.com, then") == "[hidden], then");
  CHECK(shown("arn:aws-cn:iam::123456789012:user/a/b") == "[hidden]");
  CHECK(shown("ends with arn:") == "ends with [hidden]:");
}

TEST_CASE("account numbers are hidden wherever they stand") {
  CHECK(shown("account 123456789012.") == "account [hidden].");
  CHECK(shown("x123456789012y") == "x[hidden]y");
  CHECK(shown("ARN:AWS:IAM::123456789012:role") == "ARN:AWS:IAM::[hidden]:role");
}

TEST_CASE("other numbers stay") {
  CHECK(shown("1700000000 12345678901 1234567890123 15 minutes") ==
        "1700000000 12345678901 1234567890123 15 minutes");
}

TEST_CASE("key ids are hidden") {
  CHECK(shown("key AKIAIOSFODNN7EXAMPLE is unknown") == "key [hidden] is unknown");
  CHECK(shown("AROA3XFRBF535PLBIFPI4:me") == "[hidden]:me");
}

TEST_CASE("words stay as they are") {
  const std::string text = "The security token included in the request is expired (AccessDenied, MFA, 403)";
  CHECK(shown(text) == text);
  CHECK(shown("").empty());
  CHECK(shown("b\xc3\xbcro warn:x") == "b\xc3\xbcro warn:x");
}

TEST_CASE("without a role every ARN is hidden") {
  CHECK(without_account_details("arn:aws:iam::1:role/dev", "") == "[hidden]");
}
