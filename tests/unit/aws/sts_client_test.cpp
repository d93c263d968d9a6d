#include "shed/aws/sts_client.h"

#include <catch2/catch.hpp>

#include "sts_fixture.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

TEST_CASE_METHOD(StsFixture, "a role's session is what STS answers") {
  const auto credentials = answer_to(granted());
  REQUIRE(credentials);
  CHECK(credentials->access_key_id == "ASIAEXAMPLE");
  CHECK(credentials->secret_access_key.reveal() == "session-secret");
  CHECK(credentials->session_token.reveal() == "session-token");
  CHECK(credentials->account_id == "123456789012");
  CHECK(format_rfc3339(*credentials->expiration) == "2026-03-31T16:04:05Z");
}

TEST_CASE_METHOD(StsFixture, "the request is signed for the region, at the loop's time") {
  REQUIRE(answer_to(granted()));
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].path == "/");
  CHECK(seen[0].content_type == "application/x-www-form-urlencoded; charset=utf-8");
  CHECK(seen[0].date == "20260331T150405Z");
  CHECK(seen[0].authorization.starts_with(
      "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260331/eu-west-1/sts/aws4_request"));
  CHECK(seen[0].token.empty());
  CHECK(seen[0].host == target.endpoint.url.host_header);
  CHECK(seen[0].body.starts_with("Action=AssumeRole&Version=2011-06-15&"));
  CHECK(seen[0].body.find("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fweb") != std::string::npos);
}

TEST_CASE_METHOD(StsFixture, "a temporary source's token is sent along") {
  source.session_token = Secret("source-token");
  REQUIRE(answer_to(granted()));
  CHECK(seen.at(0).token == "source-token");
}

TEST_CASE_METHOD(StsFixture, "what may pass is tried three times in all") {
  for (const int status : {429, 500, 502, 503, 504}) {
    CAPTURE(status);
    seen.clear();
    CHECK(failure_after({status, "<html>busy</html>"}).detail.ends_with("(tried 3 times)"));
    CHECK(seen.size() == 3);
  }
  for (const char* code : {"Throttling", "ThrottlingException", "TooManyRequestsException",
                           "RequestLimitExceeded", "SlowDown"}) {
    CAPTURE(code);
    seen.clear();
    CHECK(failure_after(refused(400, code, "Rate exceeded")).kind == Kind::kThrottled);
    CHECK(seen.size() == 3);
  }
}

TEST_CASE_METHOD(StsFixture, "what STS means is not tried again") {
  for (const char* code : {"AccessDenied", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch",
                           "ValidationError", "SomethingNew"}) {
    CAPTURE(code);
    seen.clear();
    CHECK(failure_after(refused(403, code, "no")).code == code);
    CHECK(seen.size() == 1);
  }
}

TEST_CASE_METHOD(StsFixture, "a call that goes well the second time is a success") {
  replies = {refused(503, "ServiceUnavailable", "busy"), granted()};
  const StsOutcome asked = ask();
  settle(asked);
  CHECK((**asked).has_value());
  CHECK(seen.size() == 2);
}

TEST_CASE_METHOD(StsFixture, "each try is signed at its own time") {
  random = 0.999;
  replies = {refused(503, "ServiceUnavailable", "busy"), granted()};
  server.clock.advance(600ms);
  const StsOutcome asked = ask();
  server.pass(500ms);
  REQUIRE(asked->done());
  CHECK(seen.at(0).date == "20260331T150405Z");
  CHECK(seen.at(1).date == "20260331T150406Z");
  CHECK(seen[0].authorization != seen[1].authorization);
}

TEST_CASE_METHOD(StsFixture, "the pauses are random up to half a second and a second") {
  random = 0.999;
  replies.assign(3, refused(503, "ServiceUnavailable", "busy"));
  const StsOutcome asked = ask();
  server.pass(498ms);
  CHECK(seen.size() == 1);
  server.pass(1ms);
  CHECK(seen.size() == 2);
  server.pass(998ms);
  CHECK(seen.size() == 2);
  server.pass(1ms);
  CHECK(seen.size() == 3);
  CHECK(asked->done());
}

TEST_CASE_METHOD(StsFixture, "the shortest pause is none") {
  random = 0;
  replies.assign(3, refused(503, "ServiceUnavailable", "busy"));
  const StsOutcome asked = ask();
  settle(asked);
  CHECK(asked->done());
  CHECK(seen.size() == 3);
}

TEST_CASE_METHOD(StsFixture, "an STS that hangs is given up after 25 seconds") {
  replies.assign(3, StsReply{200, "", "", true});
  const StsOutcome asked = ask();
  server.pass(9'999ms);
  CHECK(seen.size() == 1);
  server.pass(1ms);
  server.pass(0ms);
  CHECK(seen.size() == 2);
  server.pass(10s);
  server.pass(0ms);
  CHECK(seen.size() == 3);
  server.pass(4'999ms);
  CHECK_FALSE(asked->done());
  server.pass(1ms);
  REQUIRE(asked->done());
  const Failure& failure = (**asked).error();
  CHECK(failure.kind == Kind::kUnavailable);
  CHECK(failure.code == "Timeout");
  CHECK(failure.message == "STS did not answer in time");
}

TEST_CASE_METHOD(StsFixture, "no pause is begun that would pass the limit of them all") {
  random = 0.999;
  replies.assign(3, StsReply{200, "", "", true});
  const StsOutcome asked = ask();
  server.pass(10s);
  server.pass(499ms);
  server.pass(10s);
  CHECK(seen.size() == 2);
  server.pass(999ms);
  CHECK(seen.size() == 3);
  server.pass(25s - 21'498ms - 1ms);
  CHECK_FALSE(asked->done());
  server.pass(1ms);
  CHECK(asked->done());
}

TEST_CASE_METHOD(StsFixture, "where nobody listens STS cannot be reached") {
  target.endpoint.url = net::url_of(server.folder / "nobody.sock");
  const StsOutcome asked = ask();
  settle(asked);
  const Failure& failure = (**asked).error();
  CHECK(failure.kind == Kind::kUnavailable);
  CHECK(failure.code == "Unreachable");
  CHECK(failure.message == "STS cannot be reached");
  CHECK(failure.detail.find("nobody.sock") != std::string::npos);
  CHECK(failure.detail.ends_with("(tried 3 times)"));
}

TEST_CASE_METHOD(StsFixture, "an answer that is no answer is told as such, once") {
  for (const char* body : {"", "hello", "<AssumeRoleResponse/>", "{\"Credentials\":{}}"}) {
    CAPTURE(body);
    seen.clear();
    const Failure failure = failure_after({200, body});
    CHECK(failure.kind == Kind::kUnavailable);
    CHECK(failure.code == "BadAnswer");
    CHECK(failure.message == "STS's answer cannot be read");
    CHECK(seen.size() == 1);
  }
}

TEST_CASE_METHOD(StsFixture, "an answer of a megabyte is not read") {
  const Failure failure = failure_after({200, std::string(1024 * 1024, 'x')});
  CHECK(failure.code == "BadAnswer");
  CHECK(failure.detail.find("longer than 262144 bytes") != std::string::npos);
}

TEST_CASE_METHOD(StsFixture, "a request that breaks a rule of STS is never sent") {
  request.external_id = "x";
  const Failure failure = failure_after(granted());
  CHECK(failure.kind == Kind::kRefused);
  CHECK(failure.code == "ValidationError");
  CHECK(failure.detail.ends_with("check the aws section"));
  CHECK(seen.empty());
}

TEST_CASE_METHOD(StsFixture, "a key that would break a header line is never sent") {
  source.access_key_id = "AKIA\r\nx-evil: 1";
  const Failure failure = failure_after(granted());
  CHECK(failure.code == "SourceProfile");
  CHECK(failure.detail.find("evil") == std::string::npos);
  CHECK(seen.empty());
}

TEST_CASE_METHOD(StsFixture, "a CA file that cannot be read is named") {
  auto url = net::parse_url("https://sts.example/");
  REQUIRE(url);
  target.endpoint.url = *url;
  target.ca_file = server.folder / "missing.pem";
  const StsOutcome asked = ask();
  settle(asked);
  const Failure& failure = (**asked).error();
  CHECK(failure.kind == Kind::kSource);
  CHECK(failure.code == "SourceProfile");
  CHECK(failure.detail.find("missing.pem") != std::string::npos);
  CHECK(failure.detail.find("tried") == std::string::npos);
}

TEST_CASE_METHOD(StsFixture, "a proxy's password is in no text") {
  auto url = net::parse_url("https://sts.example/");
  REQUIRE(url);
  target.endpoint.url = *url;
  target.proxy.https_proxy = "ftp://me:pass-word@proxy.example:1";
  const StsOutcome asked = ask();
  settle(asked);
  const Failure& failure = (**asked).error();
  CHECK(failure.code == "SourceProfile");
  CHECK(failure.detail.find("pass-word") == std::string::npos);
}

TEST_CASE_METHOD(StsFixture, "many targets one after the other are all served") {
  for (int i = 0; i < 10; ++i) {
    target.ca_file = fmt::format("/file/{}", i);  // another target; not read for plain http
    CHECK(answer_to(granted()));
  }
}

TEST_CASE("one call after another uses one connection, as long as all goes well") {
  net::Stage stage;
  const auto client = make_sts_client(stage.loop, [] { return 0.0; });
  const Credentials source{"AKIAEXAMPLE", Secret("source-secret"), Secret(), {}, ""};
  AssumeRoleRequest request;
  request.role_arn = "arn:aws:iam::123456789012:role/web";
  request.session_name = "shed-web-1";
  StsTarget target;
  target.endpoint = {net::url_of(stage.path), "eu-west-1"};
  const std::string body = granted().body;
  const std::string answer =
      fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.size(), body);

  Running<Outcome<Credentials>> first(stage.loop, client->assume_role(request, source, target));
  net::Peer peer = stage.accept();
  peer.send(answer);
  CHECK((*first).has_value());
  Running<Outcome<Credentials>> second(stage.loop, client->assume_role(request, source, target));
  CHECK(stage.nobody_comes());
  peer.send(answer);
  CHECK((*second).has_value());
}

TEST_CASE_METHOD(StsFixture, "a call may be dropped at any point") {
  replies = {StsReply{200, "", "", true}, granted()};
  const StsOutcome hanging = ask();
  hanging->drop();
  const StsOutcome next = ask();
  settle(next);
  CHECK((**next).has_value());
}

}  // namespace
}  // namespace shed::aws
