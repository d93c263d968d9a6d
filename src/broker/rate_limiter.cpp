#include "shed/broker/rate_limiter.h"

#include <algorithm>

#include "shed/broker/audited_request.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

constexpr std::string_view kCode = "RATE_LIMITED";
// Until there may be room for another guest.
constexpr Millis kTableWait{1'000};

async::Task<std::string> answer_with(std::string answer) { co_return answer; }

RateTable::Kind kind_of(Namespace ns) {
  return ns == Namespace::kSsh   ? RateTable::Kind::kSsh
         : ns == Namespace::kAws ? RateTable::Kind::kAws
                                 : RateTable::Kind::kDocker;
}

}  // namespace

RateTable::RateTable(const Clock& clock, const Limits& limits) : clock_(clock) {
  const std::array<std::optional<Limit>, kKinds> of{limits.ssh, limits.aws, limits.docker, limits.ping};
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (!of[i]) continue;
    buckets_[i].refill = std::chrono::nanoseconds(std::chrono::minutes(1)) / std::max(of[i]->per_minute, 1U);
    buckets_[i].allowed = buckets_[i].refill * (std::max(of[i]->burst, 1U) - 1);
  }
}

std::optional<Millis> RateTable::take(std::string_view server, std::string_view shed, Kind kind) {
  const auto index = static_cast<std::size_t>(kind);
  const Bucket& bucket = buckets_[index];
  if (bucket.refill.count() == 0) return std::nullopt;
  Guest* const guest = guest_for({server, shed});
  if (guest == nullptr) return kTableWait;
  const SteadyTime now = clock_.now();
  const SteadyTime full = std::max((*guest)[index], now);
  const auto missing = full - now;
  if (missing > bucket.allowed) return std::chrono::ceil<Millis>(missing - bucket.allowed);
  (*guest)[index] = full + bucket.refill;
  return std::nullopt;
}

RateTable::Guest* RateTable::guest_for(GuestIdView id) {
  const auto known = guests_.find(id);
  if (known != guests_.end()) return &known->second;
  if (guests_.size() >= kMaxGuests && !make_room()) return nullptr;
  return &guests_.try_emplace(GuestId(id)).first->second;
}

// All of them at once: a flood of names does not pay for a search with each.
bool RateTable::make_room() {
  const SteadyTime now = clock_.now();
  if (now < no_room_until_) return false;
  SteadyTime next = SteadyTime::max();
  std::erase_if(guests_, [&](const auto& entry) {
    const SteadyTime full = *std::ranges::max_element(entry.second);
    if (full > now) next = std::min(next, full);
    return full <= now;
  });
  if (guests_.size() < kMaxGuests) return true;
  no_room_until_ = next;
  return false;
}

RateLimiter::RateLimiter(RateTable& table, RefusalLog& refusals, Namespace ns, std::string server_name,
                         std::unique_ptr<bus::RequestHandler> next)
    : table_(table),
      refusals_(refusals),
      ns_(ns),
      server_name_(std::move(server_name)),
      next_(std::move(next)) {}

async::Task<std::string> RateLimiter::handle(bus::IncomingRequest request) {
  const bool ping = is_ping(request, document_);
  const auto wait = table_.take(server_of(request, server_name_), request.shed.name,
                                ping ? RateTable::Kind::kPing : kind_of(ns_));
  if (!wait) return next_->handle(std::move(request));
  return answer_with(refuse(request, ping, *wait));
}

std::string RateLimiter::refuse(const bus::IncomingRequest& request, bool ping, Millis wait) {
  const auto again = std::chrono::ceil<std::chrono::seconds>(wait);
  const std::string reason =
      fmt::format("too many {} of this guest, again in {} s{}", ping ? "pings" : "requests", again.count(),
                  ping ? std::string() : fmt::format("; limits.{} in extensions.yaml", section_name(ns_)));
  refusals_.add(request, {ns_, ping ? "ping" : operation_of(request, document_),
                          server_of(request, server_name_), kCode, reason});
  return error_payload("too many requests", "INTERNAL_ERROR", kCode, reason, Retry::kLater, again);
}

}  // namespace shed::broker
