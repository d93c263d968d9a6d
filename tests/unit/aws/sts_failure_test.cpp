// What STS's refusals become, for the guest and for the log.
#include "aws/sts_failure.h"

#include <catch2/catch.hpp>

#include "sts_fixture.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE_METHOD(StsFixture, "STS's codes are sorted by what can be done about them") {
  const std::vector<std::pair<const char*, Kind>> kinds{
      {"AccessDenied", Kind::kRefused},
      {"ValidationError", Kind::kRefused},
      {"MalformedPolicyDocument", Kind::kRefused},
      {"PackedPolicyTooLarge", Kind::kRefused},
      {"RegionDisabledException", Kind::kRefused},
      {"SomethingNew", Kind::kRefused},
      {"ExpiredToken", Kind::kSource},
      {"ExpiredTokenException", Kind::kSource},
      {"InvalidClientTokenId", Kind::kSource},
      {"SignatureDoesNotMatch", Kind::kSource},
      {"Throttling", Kind::kThrottled},
      {"TooManyRequestsException", Kind::kThrottled},
  };
  for (const auto& [code, kind] : kinds) {
    CAPTURE(code);
    const Failure failure = failure_after(refused(400, code, "some words"));
    CHECK(failure.kind == kind);
    CHECK(failure.code == code);
  }
}

TEST_CASE_METHOD(StsFixture, "an unknown code is judged by its status") {
  CHECK(failure_after(refused(500, "SomethingNew", "")).kind == Kind::kUnavailable);
  CHECK(failure_after(refused(429, "SomethingNew", "")).kind == Kind::kThrottled);
  CHECK(failure_after(refused(404, "SomethingNew", "")).kind == Kind::kRefused);
}

TEST_CASE_METHOD(StsFixture, "an answer without an error document is no word of STS") {
  const Failure page = failure_after({403, "<html>login</html>"});
  CHECK(page.kind == Kind::kUnavailable);
  CHECK(page.code == "BadAnswer");
  CHECK(page.message == "STS answered with status 403");
  CHECK(says(page.detail, "is this address STS?"));
  CHECK(failure_after({429, ""}).kind == Kind::kThrottled);
}

TEST_CASE_METHOD(StsFixture, "the guest is told the role's error, and nothing of the owner's account") {
  const Failure failure = failure_after(
      refused(403, "AccessDenied",
              "User: arn:aws:iam::999988887777:user/me is not authorized to perform: sts:AssumeRole on "
              "resource: arn:aws:iam::123456789012:role/web"));
  CHECK_FALSE(says(failure.message, "999988887777"));
  CHECK(says(failure.message, "is not authorized"));
  CHECK(failure.detail.starts_with("sts:AssumeRole arn:aws:iam::123456789012:role/web at "));
  CHECK(says(failure.detail, "AccessDenied (status 403): User: arn:aws:iam::999988887777:user/me"));
  CHECK(says(failure.detail, "(request request-1)"));
  CHECK(says(failure.detail, "; the role's trust policy must name this identity"));
}

TEST_CASE_METHOD(StsFixture, "a code that nobody knows is told with something to do as well") {
  const Failure refusal = failure_after(refused(400, "NewCode", "No."));
  CHECK(says(refusal.detail, "NewCode (status 400): No. (request request-1); check the aws section"));
  CHECK(says(failure_after(refused(500, "NewCode", "No.")).detail, "; it is asked again later"));
}

TEST_CASE_METHOD(StsFixture, "a clock that is off is told by how much, either way") {
  StsReply late = refused(403, "SignatureDoesNotMatch",
                          "Signature expired: 20260331T150405Z is now earlier than 20260331T150712Z");
  late.date = "Tue, 31 Mar 2026 15:12:12 GMT";
  const Failure behind = failure_after(late);
  CHECK(behind.kind == Kind::kSource);
  CHECK(behind.message == "STS does not accept the host's time: its clock is off");
  CHECK(says(behind.detail, "this machine's clock is 8m7s behind STS's; set it right"));

  StsReply early = refused(403, "SignatureDoesNotMatch", "Signature not yet current: 20260331T150405Z");
  early.date = "Tue, 31 Mar 2026 14:04:05 GMT";
  CHECK(says(failure_after(early).detail, "this machine's clock is 1h ahead of STS's"));

  StsReply undated = refused(400, "RequestExpired", "Request has expired.");
  CHECK(says(failure_after(undated).detail, "this machine's clock is not in time with STS's"));
}

TEST_CASE_METHOD(StsFixture, "no text has the secret or the token, whatever the server sends back") {
  source.session_token = Secret("source-token");
  for (const char* code : {"SignatureDoesNotMatch", "AccessDenied", "ValidationError", "ServiceUnavailable",
                           "IncompleteSignature", "RequestExpired"}) {
    CAPTURE(code);
    const Failure failure = failure_after(
        refused(503, code,
                "The Canonical String should have been 'POST / x-amz-security-token:source-token' "
                "with source-secret, Signature expired"));
    for (const std::string* text : {&failure.message, &failure.detail, &failure.code}) {
      CHECK_FALSE(says(*text, "source-token"));
      CHECK_FALSE(says(*text, "source-secret"));
    }
  }
}

TEST_CASE_METHOD(StsFixture, "a code that repeats the secret is struck out") {
  const Failure failure = failure_after(refused(403, "source-secret", "source-secret"));
  CHECK(failure.code == "***");
  CHECK(failure.message == "***");
  CHECK_FALSE(says(failure.detail, "source-secret"));
}

TEST_CASE_METHOD(StsFixture, "a token that is cut off with the message's end is struck out whole") {
  const std::string token(1000, 't');
  source.session_token = Secret(token);
  const Failure failure = failure_after(refused(403, "AccessDenied", std::string(100, 'x') + " " + token));
  CHECK_FALSE(says(failure.message, "tttt"));
  CHECK_FALSE(says(failure.detail, "tttt"));
}

TEST_CASE_METHOD(StsFixture, "an error without a message is told by its code") {
  const Failure failure = failure_after(refused(403, "AccessDenied", ""));
  CHECK(failure.message == "AccessDenied");
  CHECK(says(failure.detail, "AccessDenied (status 403): no message"));
}

TEST_CASE_METHOD(StsFixture,
                 "a certificate that is not accepted is told with what may help, and not tried again") {
  const StsCall call{request, source, "sts.eu-west-1.amazonaws.com"};
  const Judged judged =
      judge_error(call, Error(Errc::kRefused, "the certificate's issuer 'Corp' is not known here"));
  CHECK_FALSE(judged.retry);
  CHECK(judged.failure.kind == Kind::kUnavailable);
  CHECK(judged.failure.code == "Certificate");
  CHECK(judged.failure.message == "STS's certificate is not accepted");
  CHECK(says(judged.failure.detail, "issuer 'Corp' is not known here; behind a proxy that opens TLS"));
  CHECK(says(judged.failure.detail, "AWS_CA_BUNDLE"));
}

TEST_CASE("an offset needs a date, and a second at least") {
  const WallTime now = *parse_rfc3339("2026-03-31T15:04:05.400Z");
  CHECK(clock_offset("Tue, 31 Mar 2026 15:04:05 GMT", now).empty());
  CHECK(clock_offset("Tue, 31 Mar 2026 15:03:05 GMT", now) == "1m ahead of");
  CHECK(clock_offset("tomorrow", now).empty());
  CHECK(clock_offset("", now).empty());
}

}  // namespace
}  // namespace shed::aws
