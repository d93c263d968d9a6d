#include "http_answers.h"

#include "shed/base/json.h"

namespace shed::bus {

async::Task<> answer_error(net::HttpExchange& exchange, int status, std::string_view code,
                           std::string message, std::string_view headers) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .key("error")
      .begin_object()
      .field("code", code)
      .field("message", message)
      .end_object()
      .end_object();
  (void)co_await exchange.respond(status, kJsonType, body, headers);
}

async::Task<> answer_error(net::HttpExchange& exchange, HttpRefusal refusal) {
  return answer_error(exchange, refusal.status, refusal.code, std::string(refusal.message), refusal.headers);
}

std::optional<HttpRefusal> check_caller(const net::HttpExchange& exchange) {
  if (!net::is_loopback_host(exchange.header("host")))
    return HttpRefusal{403, "FORBIDDEN_HOST", "the Host header is not a loopback name"};
  if (!exchange.header("origin").empty())
    return HttpRefusal{403, "FORBIDDEN_ORIGIN", "web pages are not served"};
  return std::nullopt;
}

}  // namespace shed::bus
