#include "shed/broker/aws_endpoint.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#ifdef __APPLE__
#include <sys/random.h>
#endif

namespace shed::broker {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNoStore = "cache-control: no-store\r\n";
constexpr std::string_view kCredentialsPath = "/credentials";
constexpr std::string_view kHealthPath = "/healthz";
constexpr std::size_t kTokenBytes = 32;

CredentialRefusal bad_request(int status, std::string_view code, std::string_view text) {
  return {status, std::string(code), std::string(text), std::string(text), "", {}};
}

std::string error_document(const CredentialRefusal& refusal) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("error", refusal.error)
      .field("code", refusal.code)
      .field("message", refusal.message)
      .field("Code", refusal.code)
      .field("Message", refusal.message)
      .field_unless_empty("hint", refusal.hint)
      .end_object();
  return body;
}

// What belongs to the status by HTTP's own rules (RFC 9110, sections 10.2.1, 10.2.3 and 11.6.1).
std::string headers_for(const CredentialRefusal& refusal) {
  std::string headers(kNoStore);
  if (refusal.status == 405) headers += "allow: GET, HEAD\r\n";
  if (refusal.status == 401) headers += "www-authenticate: AWS-Container-Token\r\n";
  if (refusal.retry_after) headers += fmt::format("retry-after: {}\r\n", refusal.retry_after->count());
  return headers;
}

}  // namespace

net::HttpServerOptions AwsEndpoint::server_options() {
  net::HttpServerOptions options;
  options.max_connections = 256;
  options.max_header = std::size_t{8} * 1024;
  options.max_body = kMaxBody;
  options.request_limit = Millis(10'000);
  options.header_limit = options.request_limit;  // there is hardly more than a header
  options.idle_limit = Millis(60'000);
  options.send_limit = Millis(10'000);
  return options;
}

async::Task<> AwsEndpoint::handle(net::HttpExchange& exchange) {
  const auto refusal = check(exchange);
  if (refusal) co_return co_await refuse(exchange, *refusal);
  if (exchange.path() == kHealthPath) {
    (void)co_await exchange.respond(200, kJson, R"({"status":"ok"})", kNoStore);
    co_return;
  }
  co_await give(exchange);
}

std::optional<CredentialRefusal> AwsEndpoint::check(const net::HttpExchange& exchange) const {
  // First, so that a web page learns nothing else: a name that a page made to point here, or its own.
  if (!net::is_loopback_host(exchange.header("host")))
    return bad_request(403, "INVALID_HOST", "only localhost and loopback addresses are served");
  if (!exchange.header("origin").empty())
    return bad_request(403, "INVALID_ORIGIN", "web pages are not served");
  if (exchange.body_too_large())
    return bad_request(413, "BODY_TOO_LARGE", fmt::format("the body is over {} bytes", kMaxBody));
  const bool credentials = exchange.path() == kCredentialsPath;
  if (!credentials && exchange.path() != kHealthPath)
    return bad_request(404, "NOT_FOUND", "there are /credentials and /healthz");
  if (exchange.method() != "GET" && exchange.method() != "HEAD")
    return bad_request(405, "METHOD_NOT_ALLOWED", "only GET and HEAD are allowed");
  if (credentials) return check_token(exchange.header("authorization"));
  return std::nullopt;
}

std::optional<CredentialRefusal> AwsEndpoint::check_token(std::string_view authorization) const {
  if (token_.empty() || equal_in_constant_time(authorization, token_.reveal())) return std::nullopt;
  auto refusal = authorization.empty()
                     ? bad_request(401, "MISSING_TOKEN", "the request has no Authorization header")
                     : bad_request(403, "INVALID_TOKEN", "the Authorization header is not the token");
  refusal.hint = "set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the file named by --token-file";
  return refusal;
}

async::Task<> AwsEndpoint::give(net::HttpExchange& exchange) {
  const auto answer = co_await relay_.get();
  if (!answer) {
    limiter_.warning(answer.error().code, answer.error().text());
    co_return co_await refuse(exchange, answer.error());
  }
  Buffer body;
  append_container_document(body, answer->view());
  (void)co_await exchange.respond(200, kJson, body.view(), kNoStore);
  body.wipe();
}

async::Task<> AwsEndpoint::refuse(net::HttpExchange& exchange, const CredentialRefusal& refusal) {
  const std::string body = error_document(refusal);
  const std::string headers = headers_for(refusal);
  (void)co_await exchange.respond(refusal.status, kJson, body, headers);
}

Secret make_endpoint_token() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, kTokenBytes> bytes;
  // As for an id: a guessable token is none.
  if (getentropy(bytes.data(), bytes.size()) != 0) std::abort();
  std::string text;
  text.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  wipe({reinterpret_cast<char*>(bytes.data()), bytes.size()});
  return Secret::take(text);
}

}  // namespace shed::broker
