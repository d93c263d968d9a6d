// What the tests of the server share: handlers, requests and the answers to them.
#pragma once

#include <string>
#include <string_view>

#include "net_fixture.h"

namespace shed::net {

// Says what it was asked.
inline async::Task<> echo(HttpExchange& exchange) {
  const std::string body =
      fmt::format("{} {} [{}] {}", exchange.method(), exchange.path(), exchange.query(), exchange.body());
  (void)co_await exchange.respond(200, "text/plain", body);
}

inline async::Task<> refuse_large(HttpExchange& exchange) {
  if (exchange.body_too_large()) {
    (void)co_await exchange.respond(413, "text/plain", "too large\n");
  } else {
    (void)co_await exchange.respond(200, "text/plain", fmt::format("{}", exchange.body().size()));
  }
}

inline std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path);
}
inline std::string post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
}
inline std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{}",
                     body.size(), body);
}
inline bool starts_with(const std::string& text, std::string_view start) { return text.starts_with(start); }

}  // namespace shed::net
