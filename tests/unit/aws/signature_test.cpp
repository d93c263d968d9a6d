#include "shed/aws/signature.h"

#include <catch2/catch.hpp>
#include <string>

#include "shed/base/file.h"
#include "shed/base/json.h"

using namespace shed;
using namespace shed::aws;

namespace {

WallTime at(std::int64_t unix_time) { return WallTime(std::chrono::seconds(unix_time)); }

Credentials keys(std::string_view id, std::string_view secret, std::string_view token = "") {
  return {std::string(id), Secret(secret), Secret(token), std::nullopt, {}};
}

// What AWS's own documentation signs with.
Credentials documented_keys(std::string_view token = "") {
  return keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token);
}
const SigningScope kDocumentedScope{"us-east-1", "service", at(1440938160)};  // 2015-08-30T12:36:00Z
constexpr std::string_view kDocumentedHost = "example.amazonaws.com";

std::string signed_with(const SignedRequest& request, const SigningScope& scope,
                        const Credentials& credentials) {
  return std::string(signature_headers(request, scope, credentials).reveal());
}

}  // namespace

TEST_CASE("requests are signed as botocore signs them") {
  const auto text = read_file(SHED_TEST_DATA "/aws/sigv4.json", 1024 * 1024);
  REQUIRE(text.has_value());
  JsonDocument document;
  const auto root = document.parse(*text);
  REQUIRE(root.has_value());
  const auto vectors = (*root)["vectors"].elements();
  REQUIRE(vectors.size() >= 20);
  for (const JsonValue& vector : vectors) {
    const auto field = [&vector](std::string_view name) { return vector[name].string_or("?"); };
    INFO(field("name"));
    std::string body;
    for (std::int64_t i = 0; i < vector["body_repeated"].integer(); ++i) body += field("body");
    const SignedRequest request{"POST", field("host"), field("path"), field("content_type"), body};
    const SigningScope scope{field("region"), field("service"), at(*vector["unix"].integer())};
    CHECK(signed_with(request, scope, keys(field("key"), field("secret"), field("token"))) ==
          field("headers"));
  }
}

TEST_CASE("AWS's example of a POST without a body has its signature") {
  CHECK(signed_with({"POST", kDocumentedHost, "/", "", ""}, kDocumentedScope, documented_keys()) ==
        "x-amz-date: 20150830T123600Z\r\n"
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b\r\n");
}

TEST_CASE("AWS's example of a form has its signature") {
  const std::string headers =
      signed_with({"POST", kDocumentedHost, "/", "application/x-www-form-urlencoded", "Param1=value1"},
                  kDocumentedScope, documented_keys());
  CHECK(headers.find("Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a\r\n") !=
        std::string::npos);
}

TEST_CASE("the host is signed as it is sent") {
  const auto of_host = [](std::string_view host) {
    return signed_with({"POST", host, "/", "", ""}, kDocumentedScope, documented_keys());
  };
  CHECK(of_host("example.amazonaws.com") != of_host("Example.amazonaws.com"));
  CHECK(of_host("example.amazonaws.com") != of_host("example.amazonaws.com:443"));
}

TEST_CASE("an empty path is the root") {
  CHECK(signed_with({"POST", kDocumentedHost, "", "", ""}, kDocumentedScope, documented_keys()) ==
        signed_with({"POST", kDocumentedHost, "/", "", ""}, kDocumentedScope, documented_keys()));
}

TEST_CASE("nothing is signed with half a key") {
  const SignedRequest request{"POST", kDocumentedHost, "/", "", ""};
  CHECK(signed_with(request, kDocumentedScope, keys("", "secret")).empty());
  CHECK(signed_with(request, kDocumentedScope, keys("AKIDEXAMPLE", "")).empty());
}

TEST_CASE("nothing is signed that would break out of its header line") {
  const SignedRequest request{"POST", kDocumentedHost, "/", "", ""};
  CHECK(signed_with(request, kDocumentedScope, keys("AKID\r\nx-evil: 1", "secret")).empty());
  CHECK(signed_with(request, kDocumentedScope, keys("AKID", "secret", "token\nmore")).empty());
  CHECK(signed_with(request, kDocumentedScope, keys("AKID", "secret", "t\xc3\xb6ken")).empty());
  CHECK(signed_with({"POST", "a\r\nb", "/", "", ""}, kDocumentedScope, documented_keys()).empty());
  CHECK(signed_with({"POST", "a", "/ b", "", ""}, kDocumentedScope, documented_keys()).empty());
  CHECK(signed_with({"POST", "a", "/", "text\nplain", ""}, kDocumentedScope, documented_keys()).empty());
  CHECK(signed_with(request, {"us east", "sts", at(0)}, documented_keys()).empty());
  CHECK(signed_with(request, {"us-east-1", "sts\r\n", at(0)}, documented_keys()).empty());
}
