// The guest's credentials endpoint, as AWS SDKs expect it at AWS_CONTAINER_CREDENTIALS_FULL_URI
// (clients.md, "AWS SDKs").
//
//   GET /credentials   200 {"AccessKeyId","SecretAccessKey","Token","Expiration","AccountId"}
//   GET /healthz       200 {"status":"ok"}: the process is there; nobody is asked
//
// HEAD is GET without a body. Errors are JSON with "error", "code", "message", "Code", "Message" and,
// where there is something to do, "hint"; no answer is to be stored.
//
//   403 INVALID_HOST, INVALID_ORIGIN   another Host than a loopback name, or an Origin: a web page
//   413 BODY_TOO_LARGE                 a body over kMaxBody
//   404 NOT_FOUND, 405 METHOD_NOT_ALLOWED
//   401 MISSING_TOKEN, 403 INVALID_TOKEN   where a token is demanded, in Authorization, as it is
//   403, 503                           what CredentialRefusal says
#pragma once

#include <string>

#include "shed/base/log.h"
#include "shed/base/secret.h"
#include "shed/broker/aws_relay.h"
#include "shed/net/http_server.h"

namespace shed::broker {

class AwsEndpoint : public net::HttpHandler {
 public:
  static constexpr std::size_t kMaxBody = 4096;
  // For the HttpServer in front of it: a small header, a whole request within 10 s, 256 connections.
  static net::HttpServerOptions server_options();

  // An empty token demands none. The relay must outlive it.
  AwsEndpoint(async::Loop& loop, AwsRelay& relay, Secret token)
      : relay_(relay), token_(std::move(token)), limiter_(loop.clock()) {}

  async::Task<> handle(net::HttpExchange& exchange) override;

 private:
  async::Task<> give(net::HttpExchange& exchange);
  async::Task<> refuse(net::HttpExchange& exchange, const CredentialRefusal& refusal);
  std::optional<CredentialRefusal> check(const net::HttpExchange& exchange) const;
  std::optional<CredentialRefusal> check_token(std::string_view authorization) const;

  AwsRelay& relay_;
  Secret token_;
  log::Limiter limiter_;
};

// 256 random bits as hexadecimal digits: fits a header, an environment variable and a file.
Secret make_endpoint_token();

}  // namespace shed::broker
