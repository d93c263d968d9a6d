#include "shed/aws/credential_service.h"

#include <algorithm>
#include <map>
#include <utility>

#include "cache_entry.h"
#include "credential_fetch.h"
#include "shed/base/log.h"

namespace shed::aws {
namespace {

// A refresh in the background begins before the first guest would have to wait for it.
constexpr Millis kLead{30'000};
// The wall clock may run away from the steady one, by which naps are measured.
constexpr Millis kLongestNap = std::chrono::minutes(5);
constexpr Millis kShortestNap{1'000};

using Entry = std::shared_ptr<CacheEntry>;
using SharedFlight = std::shared_ptr<Flight<SharedCredentials>>;

}  // namespace

struct CredentialService::State {
  State(async::Loop& l, SourceResolver& sources, StsClient& sts)
      : loop(l), fetch(l, sources, sts), limiter(l.clock()), tasks(l) {}

  Moment now() const { return {loop.clock().now(), loop.clock().wall()}; }

  Entry entry_for(const Grant& grant);
  bool make_room();
  SharedFlight start_fetch(const Grant& grant, const Entry& entry);
  async::Task<> run_fetch(Grant grant, Entry entry, SharedFlight flight);
  void settle(const Grant& grant, const Entry& entry, const Outcome<SharedCredentials>& outcome);
  async::Task<> tend(Grant grant, Entry entry);
  bool refresh_due(const CacheEntry& entry) const;
  Millis next_look(const CacheEntry& entry) const;
  // The failure, or what is still valid in spite of it.
  Outcome<SharedCredentials> answer(const CacheEntry& entry, Outcome<SharedCredentials> outcome) const {
    if (!outcome && entry.valid(now())) return entry.credentials;
    return outcome;
  }

  async::Loop& loop;
  std::map<Grant, Entry> entries;
  CredentialFetch fetch;
  log::Limiter limiter;
  async::Scope tasks;
};

Entry CredentialService::State::entry_for(const Grant& grant) {
  if (const auto known = entries.find(grant); known != entries.end()) return known->second;
  if (entries.size() >= kMaxEntries && !make_room()) return nullptr;
  return entries.emplace(grant, std::make_shared<CacheEntry>(loop)).first->second;
}

// What is being fetched stays: somebody waits for it.
bool CredentialService::State::make_room() {
  auto oldest = entries.end();
  for (auto at = entries.begin(); at != entries.end(); ++at) {
    if (at->second->flight) continue;
    if (oldest == entries.end() || at->second->last_used < oldest->second->last_used) oldest = at;
  }
  if (oldest == entries.end()) return false;
  CacheEntry& entry = *oldest->second;
  entry.drop();
  entry.changed.set();
  entries.erase(oldest);
  return true;
}

SharedFlight CredentialService::State::start_fetch(const Grant& grant, const Entry& entry) {
  if (!entry->flight) {
    entry->flight = std::make_shared<Flight<SharedCredentials>>(loop);
    tasks.spawn(run_fetch(grant, entry, entry->flight));
  }
  return entry->flight;
}

async::Task<> CredentialService::State::run_fetch(Grant grant, Entry entry, SharedFlight flight) {
  auto fetching = fetch.run(grant, entry->told_of_clamping);
  auto outcome = co_await std::move(fetching);
  entry->flight.reset();
  entry->fetched_at = loop.clock().now();
  settle(grant, entry, outcome);
  flight->land(std::move(outcome));
}

void CredentialService::State::settle(const Grant& grant, const Entry& entry,
                                      const Outcome<SharedCredentials>& outcome) {
  if (!outcome) {
    entry->failure = outcome.error();
    if (!entry->valid(now())) return;
    limiter.warning(fmt::format("{} {}", grant_name(grant), entry->failure->code),
                    fmt::format("aws: {}: not refreshed, what is there lasts until {}: {}", grant_name(grant),
                                format_rfc3339(*entry->credentials->expiration), entry->failure->detail));
    return;
  }
  entry->failure.reset();
  // It may have been forgotten meanwhile.
  const auto kept = entries.find(grant);
  if (kept == entries.end() || kept->second != entry) return;
  if (grant.passthrough || !(*outcome)->expiration) return;
  entry->keep(*outcome, now(), grant.refresh_before);
  if (std::exchange(entry->tended, true)) return;
  tasks.spawn(tend(grant, entry));
}

bool CredentialService::State::refresh_due(const CacheEntry& entry) const {
  const Moment at = now();
  if (!entry.in_use(at.steady) || at.steady - entry.fetched_at < kRetryInterval) return false;
  return entry.left(at) <= entry.margin + std::min(kLead, entry.lifetime / 10);
}

Millis CredentialService::State::next_look(const CacheEntry& entry) const {
  const Moment at = now();
  const Millis left = entry.left(at);
  const Millis until_due = left - entry.margin - std::min(kLead, entry.lifetime / 10);
  const auto until_retry = std::chrono::duration_cast<Millis>(entry.fetched_at + kRetryInterval - at.steady);
  Millis nap = std::min(left, kLongestNap);
  if (entry.in_use(at.steady)) nap = std::min(nap, std::max(until_due, until_retry));
  return std::max(nap, kShortestNap);
}

// Keeps an entry ahead of its expiry as long as it is used, and forgets it when it is over.
async::Task<> CredentialService::State::tend(Grant grant, Entry entry) {
  while (entry->valid(now())) {
    if (refresh_due(*entry)) {
      const SharedFlight flight = start_fetch(grant, entry);
      auto landed = flight->done.wait();
      co_await landed;
      continue;
    }
    auto nap = entry->changed.wait_for(next_look(*entry));
    co_await nap;
  }
  entry->drop();
  entry->tended = false;
}

CredentialService::CredentialService(async::Loop& loop, SourceResolver& sources, StsClient& sts)
    : state_(std::make_unique<State>(loop, sources, sts)) {}
CredentialService::~CredentialService() = default;

async::Task<Outcome<SharedCredentials>> CredentialService::get(Grant grant) {
  State& state = *state_;
  const Entry entry = state.entry_for(grant);
  if (!entry) {
    co_return std::unexpected(Failure{Failure::Kind::kUnavailable, "Busy", "the host has too much to do",
                                      "more guests ask at the same time than are kept in memory"});
  }
  const Moment now = state.now();
  entry->last_used = now.steady;
  if (entry->fresh(now)) co_return entry->credentials;
  if (entry->failed_lately(now.steady)) {
    co_return state.answer(*entry, std::unexpected(*entry->failure));
  }
  const SharedFlight flight = state.start_fetch(grant, entry);
  if (entry->valid(now)) {
    auto soon = flight->done.wait_for(kPatience);
    const bool landed = co_await soon;
    if (!landed && entry->valid(state.now())) co_return entry->credentials;
  }
  auto landed = flight->done.wait();
  co_await landed;
  co_return state.answer(*entry, *flight->result);
}

std::size_t CredentialService::forget(std::string_view server, std::string_view shed) {
  std::size_t sessions = 0;
  std::erase_if(state_->entries, [&](const auto& kept) {
    const Grant& grant = kept.first;
    if (!shed.empty() && grant.shed != shed) return false;
    if (!server.empty() && grant.server != server) return false;
    CacheEntry& entry = *kept.second;
    if (entry.valid(state_->now())) ++sessions;
    entry.drop();
    entry.changed.set();
    return true;
  });
  return sessions;
}

std::optional<WallTime> CredentialService::cached_until(const Grant& grant) const {
  const auto known = state_->entries.find(grant);
  if (known == state_->entries.end() || !known->second->valid(state_->now())) return std::nullopt;
  return known->second->credentials->expiration;
}

}  // namespace shed::aws
