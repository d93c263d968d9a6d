#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/sts_messages.h"

using namespace shed::aws;

namespace {

std::string error_xml(std::string_view code, std::string_view message, std::string_view request_id = "id-1") {
  std::string xml =
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>";
  xml.append(code).append("</Code><Message>").append(message).append("</Message></Error><RequestId>");
  return xml.append(request_id).append("</RequestId></ErrorResponse>\n");
}

StsError read(std::string_view xml) {
  const auto error = parse_sts_error(xml);
  REQUIRE(error.has_value());
  return *error;
}

}  // namespace

TEST_CASE("an error's code, message and request are read") {
  const StsError error = read(error_xml("AccessDenied", "User: x is not authorized &amp; so on"));
  CHECK(error.code == "AccessDenied");
  CHECK(error.message == "User: x is not authorized & so on");
  CHECK(error.request_id == "id-1");
}

TEST_CASE("an error without a message and a request is one") {
  const StsError error = read("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>");
  CHECK(error.code == "Throttling");
  CHECK(error.message.empty());
  CHECK(error.request_id.empty());
}

TEST_CASE("what is no error of STS is none") {
  for (const char* xml :
       {"", "<html><body>502 Bad Gateway</body></html>", "<ErrorResponse/>",
        "<ErrorResponse><Error/></ErrorResponse>", "<ServiceUnavailableException/>",
        "<ErrorResponse><Error><Code/></Error></ErrorResponse>",
        "<ErrorResponse><Error><Code> </Code></Error></ErrorResponse>",
        "<ErrorResponse><Error><Code>a</Code><Code>b</Code></Error></ErrorResponse>",
        "<ErrorResponse><Error><Code>a</Code></Error><Error><Code>b</Code></Error></ErrorResponse>",
        "<ErrorResponse><Code>a</Code></ErrorResponse>", "<ErrorResponse><Error><Code>a</Code></Error>",
        "{\"__type\":\"Throttling\"}",
        "<!DOCTYPE x><ErrorResponse><Error><Code>a</Code></Error></ErrorResponse>"}) {
    INFO(xml);
    CHECK_FALSE(parse_sts_error(xml).has_value());
  }
}

TEST_CASE("an error's texts are one line that a terminal can show") {
  const StsError error = read(error_xml("A&#10;B", "one\ntwo\tthree&#13;four\xc2\x9b", "a\nb"));
  CHECK(error.code == "A B");
  CHECK(error.message == "one two three four ");
  CHECK(error.request_id == "a b");
}

TEST_CASE("an error's texts are cut between characters") {
  std::string umlauts;
  for (int i = 0; i < 2000; ++i) umlauts += "\xc3\xa4";
  const StsError error = read(error_xml(std::string(200, 'c'), umlauts, std::string(200, 'r')));
  CHECK(error.code == std::string(128, 'c'));
  CHECK(error.message == umlauts.substr(0, 2048));
  CHECK(error.request_id == std::string(128, 'r'));
}

TEST_CASE("a message that repeats the request ends before it") {
  const std::string words = "The request signature we calculated does not match the signature you provided.";
  CHECK(read(error_xml("SignatureDoesNotMatch",
                       words + "\n\nThe Canonical String for this request should have been\n'POST\n/\n\n"
                               "x-amz-security-token:TOKEN\n'"))
            .message == words);
  CHECK(read(error_xml("IncompleteSignature", words + " (x-amz-security-token: TOKEN)")).message ==
        words + " (");
}

TEST_CASE("an error over the bound of an answer is none") {
  std::string xml = error_xml("AccessDenied", "x");
  xml.resize(kMaxStsAnswer, ' ');
  CHECK(parse_sts_error(xml).has_value());
  CHECK_FALSE(parse_sts_error(xml + " ").has_value());
}
