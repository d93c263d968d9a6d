#include <catch2/catch.hpp>
#include <string>

#include "shed/aws/sts_messages.h"

using namespace shed;
using namespace shed::aws;

namespace {

AssumeRoleRequest plain() {
  AssumeRoleRequest request;
  request.role_arn = "arn:aws:iam::123456789012:role/dev";
  request.session_name = "shed-web-1700000000";
  return request;
}

std::string body_of(const AssumeRoleRequest& request) {
  const auto body = encode_assume_role(request);
  if (!body) FAIL(body.error().text());
  return *body;
}

// What `change` makes of a plain request does not get out, for the reason told.
template <class Change>
void check_refused(Change change, Errc code, const std::string& text) {
  AssumeRoleRequest request = plain();
  change(request);
  const auto body = encode_assume_role(request);
  INFO(text);
  REQUIRE_FALSE(body.has_value());
  CHECK(body.error().text() == text);
  CHECK(body.error().code() == code);
}

// What `change` adds to the body of a plain request.
template <class Change>
std::string added_by(Change change) {
  AssumeRoleRequest request = plain();
  change(request);
  const std::string start = body_of(plain());
  const std::string body = body_of(request);
  REQUIRE(body.starts_with(start));
  return body.substr(start.size());
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

}  // namespace

TEST_CASE("a plain request has the role, the session's name and its length") {
  CHECK(body_of(plain()) ==
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdev"
        "&RoleSessionName=shed-web-1700000000&DurationSeconds=3600");
}

TEST_CASE("what is optional stands in the body only where it is set") {
  CHECK(added_by([](auto& request) { request.external_id = "a:b/c"; }) == "&ExternalId=a%3Ab%2Fc");
  CHECK(added_by([](auto& request) { request.source_identity = "me@example.com"; }) ==
        "&SourceIdentity=me%40example.com");
  CHECK(added_by([](auto& request) { request.policy = "{\"a\": \"b&c=d+e\"}"; }) ==
        "&Policy=%7B%22a%22%3A%20%22b%26c%3Dd%2Be%22%7D");
  CHECK(added_by([](auto& request) {
          request.policy_arns = {"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"};
        }) ==
        "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FA"
        "&PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FB");
  CHECK(added_by([](auto& request) { request.tags = {{"team", "a b"}, {"B\xc3\xbcro", ""}}; }) ==
        "&Tags.member.1.Key=team&Tags.member.1.Value=a%20b&Tags.member.2.Key=B%C3%BCro&Tags.member.2.Value=");
}

TEST_CASE("the signs that a form leaves alone are left alone") {
  CHECK(added_by([](auto& request) { request.policy = "aZ09-._~*'()"; }) == "&Policy=aZ09-._~%2A%27%28%29");
}

TEST_CASE("a session lasts whole seconds, from 15 minutes to 12 hours") {
  AssumeRoleRequest request = plain();
  request.duration = Millis(900'999);
  CHECK(body_of(request).ends_with("&DurationSeconds=900"));
  request.duration = kLongestSession;
  CHECK(body_of(request).ends_with("&DurationSeconds=43200"));
  for (const Millis wrong :
       {Millis(0), Millis(-1), Millis(899'999), kLongestSession + Millis(1), Millis::max()}) {
    check_refused([wrong](auto& changed) { changed.duration = wrong; }, Errc::kInvalid,
                  "a session lasts 15m to 12h");
  }
}

TEST_CASE("a role must be a role's ARN") {
  for (const char* role :
       {"", "dev", "arn:aws:iam::123456789012:user/dev", "aws:iam::123456789012:role/dev"}) {
    check_refused([role](auto& request) { request.role_arn = role; }, Errc::kInvalid,
                  "the role is not of the form arn:aws:iam::ACCOUNT:role/NAME");
  }
  check_refused([](auto& request) { request.role_arn += "\r\n"; }, Errc::kInvalid,
                "the role has a character that STS does not take");
  check_refused([](auto& request) { request.role_arn.resize(2049, 'a'); }, Errc::kLimit,
                "the role must have 20 to 2048 characters");
  AssumeRoleRequest request = plain();
  request.role_arn.resize(2048, 'a');
  CHECK(encode_assume_role(request).has_value());
}

TEST_CASE("a session's name must be one that STS takes") {
  check_refused([](auto& request) { request.session_name = "a b"; }, Errc::kInvalid,
                "the session name has a character that STS does not take");
  check_refused([](auto& request) { request.session_name = "a"; }, Errc::kLimit,
                "the session name must have 2 to 64 characters");
  check_refused([](auto& request) { request.session_name.assign(65, 'a'); }, Errc::kLimit,
                "the session name must have 2 to 64 characters");
}

TEST_CASE("an external id has bounds and characters of its own") {
  check_refused([](auto& request) { request.external_id = "a"; }, Errc::kLimit,
                "the external id must have 2 to 1224 characters");
  check_refused([](auto& request) { request.external_id.assign(1225, 'a'); }, Errc::kLimit,
                "the external id must have 2 to 1224 characters");
  check_refused([](auto& request) { request.external_id = "a b"; }, Errc::kInvalid,
                "the external id has a character that STS does not take");
  AssumeRoleRequest request = plain();
  request.external_id.assign(1224, 'a');
  CHECK(encode_assume_role(request).has_value());
}

TEST_CASE("a source identity has bounds and characters of its own") {
  check_refused([](auto& request) { request.source_identity = "a"; }, Errc::kLimit,
                "the source identity must have 2 to 64 characters");
  check_refused([](auto& request) { request.source_identity = "aws:me"; }, Errc::kInvalid,
                "the source identity has a character that STS does not take");
}

TEST_CASE("a session policy is counted in characters, not in bytes") {
  AssumeRoleRequest request = plain();
  request.policy = repeated("\xc3\xa4", 2048);
  CHECK(encode_assume_role(request).has_value());
  check_refused([](auto& changed) { changed.policy = repeated("\xc3\xa4", 2049); }, Errc::kLimit,
                "the session policy must have 1 to 2048 characters");
  check_refused([](auto& changed) { changed.policy = "\xe6\x97\xa5"; }, Errc::kInvalid,
                "the session policy has a character that STS does not take");
  check_refused([](auto& changed) { changed.policy = "\xff"; }, Errc::kInvalid,
                "the session policy is not UTF-8");
}

TEST_CASE("a session has at most ten policies by ARN, each of them one") {
  AssumeRoleRequest request = plain();
  request.policy_arns.assign(10, "arn:aws:iam::aws:policy/ReadOnlyAccess");
  CHECK(encode_assume_role(request).has_value());
  check_refused(
      [](auto& changed) { changed.policy_arns.assign(11, "arn:aws:iam::aws:policy/ReadOnlyAccess"); },
      Errc::kLimit, "a session has at most 10 policies by ARN");
  check_refused([](auto& changed) { changed.policy_arns = {"arn:aws:iam::aws:policy/Read", "ReadOnly"}; },
                Errc::kInvalid,
                "the session policy's ARN is not of the form arn:aws:iam::ACCOUNT:policy/NAME");
}

TEST_CASE("a session has at most fifty tags, with bounds on both of their parts") {
  AssumeRoleRequest request = plain();
  request.tags.assign(50, {std::string(128, 'k'), std::string(256, 'v')});
  CHECK(encode_assume_role(request).has_value());
  check_refused([](auto& changed) { changed.tags.assign(51, {"k", "v"}); }, Errc::kLimit,
                "a session has at most 50 tags");
  check_refused([](auto& changed) { changed.tags = {{"", "v"}}; }, Errc::kLimit,
                "the session tag's key must have 1 to 128 characters");
  check_refused([](auto& changed) { changed.tags = {{std::string(129, 'k'), "v"}}; }, Errc::kLimit,
                "the session tag's key must have 1 to 128 characters");
  check_refused([](auto& changed) { changed.tags = {{"k", std::string(257, 'v')}}; }, Errc::kLimit,
                "the session tag's value must have 0 to 256 characters");
  check_refused([](auto& changed) { changed.tags = {{"k", "a\nb"}}; }, Errc::kInvalid,
                "the session tag's value has a character that STS does not take");
}

TEST_CASE("an error does not repeat the field's text") {
  AssumeRoleRequest request = plain();
  request.external_id = "SECRET\n";
  CHECK(encode_assume_role(request).error().text().find("SECRET") == std::string::npos);
}
