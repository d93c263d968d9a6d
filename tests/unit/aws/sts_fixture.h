// An STS that says what the test says, on a unix socket, and the real client of it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shed/aws/sts_client.h"
#include "unit/net/client_fixture.h"

namespace shed::aws {

using namespace std::chrono_literals;
using net::Running;

struct StsReply {
  int status = 200;
  std::string body;
  std::string date = {};  // the server's own header, when it has one
  bool hang = false;
};

inline StsReply granted(std::string_view key_id = "ASIAEXAMPLE") {
  return {200, fmt::format(R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROAEXAMPLE:shed-web-1</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/web/shed-web-1</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{}</AccessKeyId>
      <SecretAccessKey>session-secret</SecretAccessKey>
      <SessionToken>session-token</SessionToken>
      <Expiration>2026-03-31T16:04:05Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</AssumeRoleResponse>)",
                           key_id)};
}

inline StsReply refused(int status, std::string_view code, std::string_view message) {
  return {status, fmt::format(R"(<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>
  <RequestId>request-1</RequestId>
</ErrorResponse>)",
                              code, message)};
}

struct SeenRequest {
  std::string method, path, content_type, authorization, token, date, host, body;
};

using StsOutcome = std::unique_ptr<Running<Outcome<Credentials>>>;

class StsFixture {
 public:
  StsFixture() {
    source.access_key_id = "AKIAEXAMPLE";
    source.secret_access_key = Secret("source-secret");
    request.role_arn = "arn:aws:iam::123456789012:role/web";
    request.session_name = "shed-web-1";
    target.endpoint = {net::url_of(server.path), "eu-west-1"};
  }

  StsOutcome ask() {
    return std::make_unique<Running<Outcome<Credentials>>>(server.loop,
                                                           client->assume_role(request, source, target));
  }
  // The answer to one request that STS answers like this, each time anew.
  Outcome<Credentials> answer_to(StsReply reply) {
    random = 0;
    replies.assign(StsClient::kAttempts, std::move(reply));
    const StsOutcome asked = ask();
    settle(asked);
    return std::move(**asked);
  }
  Failure failure_after(StsReply reply) {
    auto outcome = answer_to(std::move(reply));
    REQUIRE_FALSE(outcome);
    return outcome.error();
  }
  // Pauses of no length still are a turn of the clock.
  void settle(const StsOutcome& asked) {
    for (int i = 0; i < 10 && !asked->done(); ++i) server.pass(0ms);
  }

  double random = 0;
  std::deque<StsReply> replies;
  std::vector<SeenRequest> seen;
  net::TestServer server{[this](net::HttpExchange& exchange) { return handle(exchange); }};
  std::unique_ptr<StsClient> client = make_sts_client(server.loop, [this] { return random; });
  Credentials source;
  AssumeRoleRequest request;
  StsTarget target;

 private:
  async::Task<> handle(net::HttpExchange& exchange) {
    seen.push_back(
        {std::string(exchange.method()), std::string(exchange.path()),
         std::string(exchange.header("content-type")), std::string(exchange.header("authorization")),
         std::string(exchange.header("x-amz-security-token")), std::string(exchange.header("x-amz-date")),
         std::string(exchange.header("host")), std::string(exchange.body())});
    StsReply reply{500, "the test has no answer left"};
    if (!replies.empty()) {
      reply = std::move(replies.front());
      replies.pop_front();
    }
    if (reply.hang) {
      co_await exchange.disconnected();
      co_return;
    }
    std::string headers;
    if (!reply.date.empty()) headers = fmt::format("date: {}\r\n", reply.date);
    (void)co_await exchange.respond(reply.status, "text/xml", reply.body, headers);
  }
};

}  // namespace shed::aws
