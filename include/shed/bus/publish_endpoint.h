// POST /v1/publish: the guest bus over HTTP (protocol.md section 2).
#pragma once

#include <optional>

#include "shed/async/scope.h"
#include "shed/bus/guest_half.h"
#include "shed/net/http_server.h"

namespace shed::bus {

class PublishEndpoint : public net::HttpHandler {
 public:
  static constexpr Millis kAnswerLimit{30'000};
  // For the last answers to leave when the bus stops.
  static constexpr Millis kFarewellLimit{500};

  PublishEndpoint(GuestHalf& half) : half_(half), idle_(half.loop()) {}
  async::Task<> handle(net::HttpExchange& exchange) override;
  // Of a request that the header alone does not refuse.
  bool wants_body(const net::HttpExchange& exchange) override;

  // From now on requests are refused with SHUTTING_DOWN, those that wait too.
  void shut_down();
  // The same, and waits until they have been told, kFarewellLimit at most.
  async::Task<> farewell();

 private:
  // One exchange, while it is served.
  class Visit {
   public:
    explicit Visit(PublishEndpoint& endpoint) : endpoint_(endpoint) { ++endpoint_.visits_; }
    Visit(const Visit&) = delete;
    ~Visit() {
      if (--endpoint_.visits_ == 0 && endpoint_.stopping_) endpoint_.idle_.set();
    }

   private:
    PublishEndpoint& endpoint_;
  };

  async::Task<> publish(net::HttpExchange& exchange);
  // Leaves `reply` empty where the guest has gone.
  async::Task<> wait_for_answer(net::HttpExchange& exchange, async::Task<Result<GuestHalf::Reply>> request,
                                std::optional<Result<GuestHalf::Reply>>& reply);
  async::Task<> refuse(net::HttpExchange& exchange, Error reason);
  GuestHalf& half_;
  std::size_t visits_ = 0;
  async::Event idle_;
  EnvelopeDecoder decoder_;
  bool stopping_ = false;
};

}  // namespace shed::bus
