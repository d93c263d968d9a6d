// The host bus over HTTP: listeners, their event streams and their answers (protocol.md section 4).
#pragma once

#include <optional>

#include "shed/base/secret.h"
#include "shed/bus/host_half.h"
#include "shed/net/http_server.h"

namespace shed::bus {

struct HttpRefusal;

class ListenerApi : public net::HttpHandler {
 public:
  // Comments that keep a silent stream alive and show a dead one.
  static constexpr Millis kCommentInterval{15'000};

  // With a token, every request must bring it ("Authorization: Bearer"): 401 UNAUTHORIZED otherwise.
  ListenerApi(async::Loop& loop, HostHalf& half, Secret token = {})
      : loop_(loop), half_(half), token_(std::move(token)) {}
  async::Task<> handle(net::HttpExchange& exchange) override;
  // Of answers only, and of those who may give one: 1 MiB is not for whoever reaches the port.
  bool wants_body(const net::HttpExchange& exchange) override;

 private:
  std::optional<HttpRefusal> check_head(const net::HttpExchange& exchange) const;
  bool is_authorized(std::string_view authorization) const;
  async::Task<> list_listeners(net::HttpExchange& exchange);
  async::Task<> list_sheds(net::HttpExchange& exchange);
  async::Task<> stream_messages(net::HttpExchange& exchange, std::string_view ns);
  async::Task<> respond(net::HttpExchange& exchange, std::string_view ns);

  async::Loop& loop_;
  HostHalf& half_;
  Secret token_;
  EnvelopeDecoder decoder_;
};

}  // namespace shed::bus
