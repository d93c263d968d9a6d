#include "shed/bus/publish_endpoint.h"

#include "http_answers.h"

namespace shed::bus {
namespace {

constexpr std::string_view kStopping = "the bus is stopping";

struct Refusal {
  int status;
  std::string_view code;
};

Refusal refusal_for(Errc code) {
  switch (code) {
    case Errc::kUnavailable:
      return {503, "NO_CONNECTION"};
    case Errc::kClosed:
      return {503, "CONNECTION_LOST"};
    case Errc::kTimeout:
      return {504, "TIMEOUT"};
    case Errc::kLimit:
      return {429, "TOO_MANY_REQUESTS"};
    default:
      return {400, "INVALID_BODY"};
  }
}

std::optional<HttpRefusal> check_head(const net::HttpExchange& exchange) {
  if (exchange.path() != "/v1/publish") return HttpRefusal{404, "NOT_FOUND", "no such path"};
  if (exchange.method() != "POST") return HttpRefusal{405, "METHOD_NOT_ALLOWED", "only POST is allowed"};
  return check_caller(exchange);
}

async::Task<> keep_answer(async::Task<Result<GuestHalf::Reply>> request,
                          std::optional<Result<GuestHalf::Reply>>& reply, async::Event& over) {
  reply.emplace(co_await std::move(request));
  over.set();
}

async::Task<> watch_for_end(net::HttpExchange& exchange, async::Event& over) {
  co_await exchange.disconnected();
  over.set();
}

}  // namespace

void PublishEndpoint::shut_down() {
  stopping_ = true;
  half_.lose_all(Error(Errc::kClosed, std::string(kStopping)));
  if (visits_ == 0) idle_.set();
}

async::Task<> PublishEndpoint::farewell() {
  shut_down();
  auto idle = idle_.wait_for(kFarewellLimit);
  (void)co_await idle;
}

bool PublishEndpoint::wants_body(const net::HttpExchange& exchange) { return !check_head(exchange); }

async::Task<> PublishEndpoint::handle(net::HttpExchange& exchange) {
  const Visit visit(*this);
  const auto refusal = check_head(exchange);
  if (refusal) co_return co_await answer_error(exchange, *refusal);
  if (exchange.body_too_large()) {
    co_return co_await answer_error(exchange, 413, "BODY_TOO_LARGE",
                                    fmt::format("the body is over {} bytes", kMaxPublishBody));
  }
  if (stopping_) co_return co_await refuse(exchange, Error(Errc::kClosed, std::string(kStopping)));
  co_await publish(exchange);
}

async::Task<> PublishEndpoint::publish(net::HttpExchange& exchange) {
  const auto body = decoder_.decode_publish(exchange.body());
  if (!body) co_return co_await answer_error(exchange, 400, "INVALID_BODY", body.error().text());
  if (body->ns.empty()) co_return co_await answer_error(exchange, 400, "MISSING_NAMESPACE", "no 'namespace'");
  if (!is_valid_namespace(body->ns) || is_reserved_namespace(body->ns)) {
    co_return co_await answer_error(exchange, 400, "INVALID_NAMESPACE", "not a namespace to publish in");
  }
  if (body->type == "event") {
    const Status sent = half_.publish_event(body->ns, body->payload);
    if (sent) {
      (void)co_await exchange.respond(202, {}, {});
    } else {
      co_await refuse(exchange, sent.error());
    }
    co_return;
  }
  if (body->type != "request" && !body->type.empty()) {
    co_return co_await answer_error(exchange, 400, "INVALID_TYPE", "'type' is neither request nor event");
  }
  // Other requests use the decoder while this one waits: the namespace must not be a view into it.
  std::array<char, kMaxNamespace> ns;
  const std::string_view kept(ns.data(), body->ns.copy(ns.data(), ns.size()));
  std::optional<Result<GuestHalf::Reply>> reply;
  auto waiting = wait_for_answer(exchange, half_.request(kept, body->payload, kAnswerLimit), reply);
  co_await std::move(waiting);
  if (!reply) co_return;
  if (*reply) {
    (void)co_await exchange.respond(200, kJsonType, (*reply)->text());
    co_return;
  }
  co_await refuse(exchange, reply->error());
}

// A guest that has left must neither hold its place nor be asked for again when a host comes back.
async::Task<> PublishEndpoint::wait_for_answer(net::HttpExchange& exchange,
                                               async::Task<Result<GuestHalf::Reply>> request,
                                               std::optional<Result<GuestHalf::Reply>>& reply) {
  async::Event over(half_.loop());
  async::Scope scope(half_.loop());
  scope.spawn(keep_answer(std::move(request), reply, over));
  scope.spawn(watch_for_end(exchange, over));
  auto ended = over.wait();
  co_await ended;
}

async::Task<> PublishEndpoint::refuse(net::HttpExchange& exchange, Error reason) {
  const Refusal refusal = stopping_ ? Refusal{503, "SHUTTING_DOWN"} : refusal_for(reason.code());
  return answer_error(exchange, refusal.status, refusal.code, reason.text());
}

}  // namespace shed::bus
