// POST /v1/publish: the guest bus over HTTP (protocol.md section 2).
#pragma once

#include "shed/bus/guest_half.h"
#include "shed/net/http_server.h"

namespace shed::bus {

class PublishEndpoint : public net::HttpHandler {
 public:
  static constexpr Millis kAnswerLimit{30'000};

  PublishEndpoint(GuestHalf& half) : half_(half) {}
  async::Task<> handle(net::HttpExchange& exchange) override;

  // From now on requests are refused with SHUTTING_DOWN.
  void shut_down() { stopping_ = true; }

 private:
  async::Task<> publish(net::HttpExchange& exchange);
  GuestHalf& half_;
  EnvelopeDecoder decoder_;
  bool stopping_ = false;
};

}  // namespace shed::bus
