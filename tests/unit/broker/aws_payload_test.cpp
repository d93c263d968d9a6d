#include "shed/broker/aws_payload.h"

#include "aws_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr std::string_view kEnd = "2026-03-31T16:04:05Z";

Result<CredentialsView> decode(JsonDocument& document, std::string_view json) {
  const auto payload = document.parse(json);
  INFO(json);
  REQUIRE(payload);
  return decode_credentials(*payload);
}

std::string decode_error(std::string_view json) {
  JsonDocument document;
  const auto decoded = decode(document, json);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().code() == Errc::kProtocol);
  return decoded.error().text();
}

// An answer in which one field is another text.
std::string with(std::string_view name, std::string_view value) {
  std::string payload;
  JsonWriter json(payload);
  json.begin_object();
  for (const std::string_view field : {"access_key_id", "secret_access_key", "session_token"}) {
    json.field(field, field == name ? value : "text");
  }
  if (name == "expiration" || name == "account_id") json.field(name, value);
  json.end_object();
  return payload;
}

TEST_CASE("credentials are written with all that is known of them") {
  const auto end = parse_rfc3339(kEnd);
  CHECK(encode_credentials(session_credentials(*end)) == credentials_payload(kEnd, "123456789012"));
}

TEST_CASE("credentials without an end have no expiration, without an account no account") {
  aws::Credentials credentials = session_credentials(std::nullopt);
  credentials.account_id.clear();
  CHECK(encode_credentials(credentials) == credentials_payload(""));
}

TEST_CASE("what the host writes is what the guest reads") {
  const auto end = parse_rfc3339(kEnd);
  JsonDocument document;
  const auto read = decode(document, encode_credentials(session_credentials(*end)));
  REQUIRE(read);
  CHECK(read->access_key_id == "ASIAIOSFODNN7EXAMPLE");
  CHECK(read->secret_access_key == kSecretKey);
  CHECK(read->session_token == kSessionToken);
  CHECK(read->expiration == *end);
  CHECK(read->account_id == "123456789012");
}

TEST_CASE("an answer that lacks a field names it") {
  CHECK(decode_error("{}") == "the host's answer has no 'access_key_id'");
  CHECK(decode_error(R"({"access_key_id":"k"})") == "the host's answer has no 'secret_access_key'");
  CHECK(decode_error(R"({"access_key_id":"k","secret_access_key":7})") ==
        "the host's answer has no 'secret_access_key'");
}

TEST_CASE("keys without a session token are long-lived, and refused") {
  CHECK(decode_error(with("session_token", "")) == "the host's answer has no 'session_token'");
}

TEST_CASE("a field with a byte that no credential has is refused, and not quoted") {
  const std::string value =
      GENERATE(as<std::string>(), "a b", "a\nb", "a\x7f", "caf\xc3\xa9", std::string("a\0b", 3));
  for (const std::string_view name : {"access_key_id", "secret_access_key", "session_token"}) {
    CHECK(decode_error(with(name, value)) == fmt::format("the host's answer has a '{}' that is none", name));
  }
}

TEST_CASE("a field that is too long is refused, one at the limit is not") {
  JsonDocument document;
  CHECK(decode(document, with("secret_access_key", std::string(256, 's'))));
  CHECK(decode(document, with("session_token", std::string(16 * 1024, 's'))));
  CHECK_THAT(decode_error(with("secret_access_key", std::string(257, 's'))), Catch::Contains("that is none"));
  CHECK_THAT(decode_error(with("session_token", std::string(16 * 1024 + 1, 's'))),
             Catch::Contains("that is none"));
}

TEST_CASE("an expiration that is no time is refused") {
  CHECK(decode_error(with("expiration", "tomorrow")) ==
        "the host's answer has an 'expiration' that is no time");
}

TEST_CASE("an expiration with an offset and a fraction is taken") {
  JsonDocument document;
  const auto read = decode(document, with("expiration", "2026-03-31T18:04:05.5+02:00"));
  REQUIRE(read);
  CHECK(read->expiration == *parse_rfc3339("2026-03-31T16:04:05.5Z"));
}

TEST_CASE("what is no account number is left out") {
  JsonDocument document;
  for (const std::string_view account : {"12345678901", "1234567890123", "12345678901x"}) {
    const auto read = decode(document, with("account_id", account));
    REQUIRE(read);
    CHECK(read->account_id.empty());
  }
}

TEST_CASE("the container document has the names that SDKs read, and no others") {
  Buffer out;
  append_container_document(out, {"K", "S", "T", *parse_rfc3339(kEnd), "123456789012"});
  CHECK(out.view() ==
        R"({"AccessKeyId":"K","SecretAccessKey":"S","Token":"T","Expiration":"2026-03-31T16:04:05Z",)"
        R"("AccountId":"123456789012"})");
}

TEST_CASE("the process document has its version and a session token") {
  Buffer out;
  append_process_document(out, {"K", "S", "T", *parse_rfc3339(kEnd), ""});
  CHECK(out.view() == R"({"Version":1,"AccessKeyId":"K","SecretAccessKey":"S","SessionToken":"T",)"
                      R"("Expiration":"2026-03-31T16:04:05Z"})");
}

TEST_CASE("quotes and backslashes in a value do not end it") {
  Buffer out;
  append_container_document(out, {"K", "\"\\", "T", std::nullopt, ""});
  CHECK(member(out.view(), "SecretAccessKey") == "\"\\");
}

TEST_CASE("a document that is longer than the buffer was is written without leaving a copy behind") {
  Buffer out;
  const std::string token(16 * 1024, '"');  // twice as long when it is written
  append_container_document(out, {"K", "S", token, std::nullopt, ""});
  CHECK(member(out.view(), "Token") == token);
  CHECK(out.capacity() <= 2 * token.size() + 512);
}

TEST_CASE("a status is written and read, with and without something cached") {
  CHECK(encode_aws_status(kRole, std::nullopt) == fmt::format(R"({{"connected":true,"role":"{}"}})", kRole));
  JsonDocument document;
  const auto payload = document.parse(encode_aws_status(kRole, *parse_rfc3339(kEnd)));
  const auto status = decode_aws_status(*payload);
  REQUIRE(status);
  CHECK(status->role == kRole);
  CHECK(status->cached_until == kEnd);
}

TEST_CASE("a status without a role is none") {
  JsonDocument document;
  CHECK_FALSE(decode_aws_status(*document.parse("{}")));
}

}  // namespace
}  // namespace shed::broker
