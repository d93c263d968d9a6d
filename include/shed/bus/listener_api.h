// The host bus over HTTP: listeners, their event streams and their answers (protocol.md section 4).
#pragma once

#include "shed/bus/host_half.h"
#include "shed/net/http_server.h"

namespace shed::bus {

class ListenerApi : public net::HttpHandler {
 public:
  // Comments that keep a silent stream alive and show a dead one.
  static constexpr Millis kCommentInterval{15'000};

  ListenerApi(async::Loop& loop, HostHalf& half) : loop_(loop), half_(half) {}
  async::Task<> handle(net::HttpExchange& exchange) override;

 private:
  async::Task<> list_listeners(net::HttpExchange& exchange);
  async::Task<> list_sheds(net::HttpExchange& exchange);
  async::Task<> stream_messages(net::HttpExchange& exchange, std::string_view ns);
  async::Task<> respond(net::HttpExchange& exchange, std::string_view ns);

  async::Loop& loop_;
  HostHalf& half_;
  EnvelopeDecoder decoder_;
};

}  // namespace shed::bus
