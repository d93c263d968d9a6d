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

async::Task<bool> allow_caller(net::HttpExchange& exchange) {
  if (!net::is_loopback_host(exchange.header("host"))) {
    co_await answer_error(exchange, 403, "FORBIDDEN_HOST", "the Host header is not a loopback name");
    co_return false;
  }
  if (!exchange.header("origin").empty()) {
    co_await answer_error(exchange, 403, "FORBIDDEN_ORIGIN", "web pages are not served");
    co_return false;
  }
  co_return true;
}

}  // namespace shed::bus
