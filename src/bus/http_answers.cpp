#include "http_answers.h"

#include "shed/base/json.h"

namespace shed::bus {

async::Task<> answer_error(net::HttpExchange& exchange, int status, std::string_view code,
                           std::string message) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .key("error")
      .begin_object()
      .field("code", code)
      .field("message", message)
      .end_object()
      .end_object();
  (void)co_await exchange.respond(status, kJsonType, body);
}

}  // namespace shed::bus
