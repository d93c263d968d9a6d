#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/sts_messages.h"

using namespace shed;
using namespace shed::aws;

namespace {

// The answer of the API reference.
const std::string kAnswer = R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
  <SourceIdentity>Alice</SourceIdentity>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn>
      <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <SessionToken>
       AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==
      </SessionToken>
      <Expiration>2019-11-09T13:34:41Z</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize>
  </AssumeRoleResult>
  <ResponseMetadata>
    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>
  </ResponseMetadata>
</AssumeRoleResponse>
)";

std::string with(std::string_view from, std::string_view to) {
  std::string text = kAnswer;
  const std::size_t at = text.find(from);
  REQUIRE(at != text.npos);
  text.replace(at, from.size(), to);
  return text;
}

Credentials read(std::string_view xml) {
  auto credentials = parse_assume_role_answer(xml);
  if (!credentials) FAIL(credentials.error().text());
  return std::move(*credentials);
}

std::string error_of(std::string_view xml) {
  const auto credentials = parse_assume_role_answer(xml);
  REQUIRE_FALSE(credentials.has_value());
  CHECK(credentials.error().code() == Errc::kProtocol);
  return credentials.error().text();
}

std::string nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "<a>";
  for (std::size_t i = 0; i < depth; ++i) text += "</a>";
  return text;
}

}  // namespace

TEST_CASE("the documented answer is read") {
  const Credentials credentials = read(kAnswer);
  CHECK(credentials.access_key_id == "ASIAIOSFODNN7EXAMPLE");
  CHECK(credentials.secret_access_key.reveal() == "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
  CHECK(credentials.session_token.reveal() ==
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==");
  REQUIRE(credentials.expiration.has_value());
  CHECK(format_rfc3339(*credentials.expiration) == "2019-11-09T13:34:41Z");
  CHECK(credentials.account_id == "123456789012");
}

TEST_CASE("a declaration, comments and namespaces of any form do not matter") {
  const std::string declared =
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- x -->\n" + kAnswer + "<!-- y -->";
  CHECK(read(declared).account_id == "123456789012");
  CHECK(read(with(" xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"", "")).account_id == "123456789012");
  std::string prefixed = kAnswer;
  for (const std::string name : {"AssumeRoleResponse", "Credentials", "SessionToken"}) {
    for (const std::string bracket : {"<", "</"}) {
      prefixed.replace(prefixed.find(bracket + name), (bracket + name).size(), bracket + "s:" + name);
    }
  }
  CHECK(read(prefixed).account_id == "123456789012");
}

TEST_CASE("an expiration may have fractions of a second") {
  CHECK(format_rfc3339(*read(with("13:34:41Z", "13:34:41.359Z")).expiration) == "2019-11-09T13:34:41Z");
}

TEST_CASE("escapes and CDATA in a secret are read") {
  const std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY";
  CHECK(read(with(secret, "a&amp;b&lt;c&gt;d&quot;&apos;&#x2F;&#43;")).secret_access_key.reveal() ==
        "a&b<c>d\"'/+");
  CHECK(read(with(secret, "<![CDATA[a&b<c]]>")).secret_access_key.reveal() == "a&b<c");
  CHECK(read(with(secret, "a<![CDATA[&amp;]]>b<![CDATA[]]>")).secret_access_key.reveal() == "a&amp;b");
  CHECK(read(with(secret, "a<!-- x -->b")).secret_access_key.reveal() == "ab");
}

TEST_CASE("without an account number the account is unknown") {
  const std::string arn = "arn:aws:sts::123456789012:assumed-role/demo/TestAR";
  for (const std::string_view other : {"", "arn", "arn:aws:sts::", "arn:aws:sts::12345:x",
                                       "arn:aws:sts::12345678901x:y", "arn:aws:sts:::assumed-role/demo"}) {
    CHECK(read(with(arn, other)).account_id.empty());
  }
}

TEST_CASE("the user may be missing, but not be there twice") {
  std::string without = kAnswer;
  const std::size_t start = without.find("<AssumedRoleUser>");
  const std::size_t end = without.find("</AssumedRoleUser>") + 18;
  const std::string user = without.substr(start, end - start);
  without.erase(start, end - start);
  CHECK(read(without).account_id.empty());
  CHECK(error_of(with("<Credentials>", user + "<Credentials>")) == "AssumedRoleUser does not have one Arn");
}

TEST_CASE("each field of the credentials must be there, once, with a text") {
  for (const std::string name : {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}) {
    INFO(name);
    const std::string open = "<" + name + ">";
    const std::string close = "</" + name + ">";
    const std::size_t start = kAnswer.find(open);
    const std::size_t end = kAnswer.find(close) + close.size();
    const std::string field = kAnswer.substr(start, end - start);
    const std::string lacks = "the answer does not have one " + name;
    CHECK(error_of(with(field, "")) == lacks);
    CHECK(error_of(with(field, field + field)) == lacks);
    CHECK(error_of(with(field, open + close)) == name + " has no text");
    CHECK(error_of(with(field, open + " \n " + close)) == name + " has no text");
    CHECK(error_of(with(field, open + "a<b>c</b>" + close)) == name + " has no text");
    CHECK(error_of(with(field, "<" + name + "/>")) == name + " has no text");
  }
}

TEST_CASE("an answer without one set of credentials is refused") {
  const std::string lacks = "the answer does not have one Credentials";
  CHECK(error_of("<AssumeRoleResponse/>") == lacks);
  CHECK(error_of("<AssumeRoleResponse><Credentials/></AssumeRoleResponse>") == lacks);
  CHECK(error_of(with("<Credentials>", "<Credentials/><Credentials>")) == lacks);
  CHECK(error_of(with("<AssumeRoleResult>", "<AssumeRoleResult/><AssumeRoleResult>")) == lacks);
}

TEST_CASE("an expiration that is no time is refused") {
  for (const char* text :
       {"tomorrow", "2019-11-09", "2019-11-09T13:34:41", "2019-02-30T13:34:41Z", "1573306481"}) {
    CHECK(error_of(with("2019-11-09T13:34:41Z", text)) == "Expiration is not a time");
  }
}

TEST_CASE("keys that no header could carry are refused") {
  CHECK(error_of(with("ASIAIOSFODNN7EXAMPLE", "ASIA IOSFODNN7")) ==
        "the access key id holds characters that no key has");
  CHECK(error_of(with("ASIAIOSFODNN7EXAMPLE", "ASIA&#13;&#10;x")) ==
        "the access key id holds characters that no key has");
  CHECK(error_of(with("K7MDENG", "\xc3\xa4")) == "the secret access key holds characters that no key has");
  CHECK(error_of(with("ASIAIOSFODNN7EXAMPLE", std::string(129, 'A'))) ==
        "the access key id has more than 128 characters");
}

TEST_CASE("another document is no answer") {
  CHECK(error_of("<html/>") == "the answer is no AssumeRoleResponse");
  CHECK(error_of("<ErrorResponse/>") == "the answer is no AssumeRoleResponse");
  CHECK(error_of("<assumeroleresponse/>") == "the answer is no AssumeRoleResponse");
}

TEST_CASE("what is not one XML document is refused") {
  for (const char* text : {"", " \n", "<", "<a", "<a>", "<a></b>", "<a><b></a></b>", "<a b=c/>", "</a>",
                           "<!-- x", "<![CDATA[x", "<?xml", "<a>\xEF\xBF\xBE</a>"}) {
    INFO(text);
    CHECK_FALSE(error_of(text).empty());
  }
  CHECK(error_of("{\"Error\":{}}") == "the answer is not a single XML element");
  CHECK(error_of(kAnswer + "x") == "the answer is not a single XML element");
  CHECK(error_of("x" + kAnswer) == "the answer is not a single XML element");
  CHECK(error_of(kAnswer + kAnswer) == "the answer is not a single XML element");
  CHECK(error_of(kAnswer.substr(0, kAnswer.size() / 2)) == "the answer is not XML");
}

TEST_CASE("bytes that are no text are refused") {
  using namespace std::string_literals;
  CHECK(error_of("\xff\xfe<\0a\0/\0>\0"s) == "the answer is not text");
  CHECK(error_of(with("Alice", "\xff")) == "the answer is not text");
  CHECK(error_of(with("Alice", "\0"s)) == "the answer is not text");
  CHECK(error_of(kAnswer + "\0"s) == "the answer is not text");
  CHECK(error_of(with("Alice", "\x1b")) == "the answer is not text");
}

TEST_CASE("a DOCTYPE is refused, whatever is in it") {
  CHECK(error_of("<!DOCTYPE a>" + kAnswer) == "the answer is not a single XML element");
  CHECK(error_of("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" + kAnswer) ==
        "the answer is not a single XML element");
}

TEST_CASE("entities of its own and impossible characters are refused") {
  for (const char* text : {"&e;", "&;", "&", "& ", "&#0;", "&#x0;", "&#8;", "&#xD800;", "&#x110000;", "&#;",
                           "&#x;", "&#-1;", "&#x-1;", "&#99999999999;", "&amp", "&AMP;", "&#X41;"}) {
    INFO(text);
    CHECK(error_of(with("Alice", text)) == "the answer has entities of its own");
  }
}

TEST_CASE("an answer that nests too deeply is refused") {
  CHECK(error_of(with("Alice", nested(40))) == "the answer has more than 16 levels");
  CHECK(error_of(nested(30'000)) == "the answer has more than 16 levels");
  CHECK(read(with("Alice", nested(10))).account_id == "123456789012");
}

TEST_CASE("an answer may have 256 KiB and no byte more") {
  std::string text = kAnswer;
  text.resize(kMaxStsAnswer, ' ');
  CHECK(read(text).account_id == "123456789012");
  CHECK(error_of(text + " ") == "the answer has over 262144 bytes");
}

TEST_CASE("no error repeats a part of the answer") {
  const std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY";
  CHECK(error_of(with("2019-11-09T13:34:41Z", secret)).find(secret) == std::string::npos);
  CHECK(error_of(with("ASIAIOSFODNN7EXAMPLE", secret + " x")).find(secret) == std::string::npos);
  CHECK(error_of(with("</SessionToken>", "")).find("AQoDYXdz") == std::string::npos);
}
