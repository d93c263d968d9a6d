#include "shed/broker/host_requests.h"

#include <optional>

#include "shed/async/scope.h"
#include "shed/base/json.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

constexpr Millis kLongestWait{301'000};  // as request_limit_in() has it

}  // namespace

async::Task<Result<bus::Publisher::Reply>> HostRequests::ask(std::string_view payload) {
  const SteadyTime start = loop_.clock().now();
  std::optional<Result<bus::Publisher::Reply>> reply;
  async::Event done(loop_);
  async::Scope scope(loop_);
  scope.spawn(async::detail::store_and_signal(publisher_.request(ns_, payload, kLongestWait), reply, done));
  scope.spawn(learn_limit());
  for (;;) {
    // The limit may have grown while we waited.
    const auto left = limit_ - std::chrono::duration_cast<Millis>(loop_.clock().now() - start);
    if (left <= Millis(0)) break;
    auto wait = done.wait_for(left);
    const bool there = co_await wait;
    if (there) co_return std::move(*reply);
  }
  co_return fail(Errc::kTimeout, "no answer within {}", format_duration(limit_));
}

async::Task<> HostRequests::learn_limit() {
  auto pause = loop_.sleep(kPatience);
  co_await pause;
  (void)co_await ping();
}

async::Task<Status> HostRequests::ping() {
  host_answers_ = false;
  const auto reply = co_await publisher_.request(ns_, ping_request(), kPingLimit);
  if (!reply) co_return propagate(reply);
  JsonDocument document;
  const auto payload = document.parse_padded(reply->payload());
  if (!payload) co_return propagate(payload);
  const auto limit = request_limit_in(*payload, usual_);
  if (!limit) co_return propagate(limit);
  limit_ = *limit;
  host_answers_ = true;
  co_return Status{};
}

}  // namespace shed::broker
