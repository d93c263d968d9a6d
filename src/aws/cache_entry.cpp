#include "cache_entry.h"

#include <algorithm>
#include <chrono>

namespace shed::aws {
namespace {

// SDKs ask again on every call below 15 minutes; this leaves time to fetch.
constexpr Millis kLeastMargin = std::chrono::minutes(20);

Millis margin_of(Millis lifetime, Millis refresh_before) {
  const Millis margin = std::max(refresh_before, std::min(kLeastMargin, lifetime / 2));
  // Nothing would ever be fresh.
  return margin < lifetime ? margin : lifetime / 2;
}

Millis whole_millis(auto duration) { return std::chrono::duration_cast<Millis>(duration); }

}  // namespace

void CacheEntry::keep(SharedCredentials fetched, Moment now, Millis refresh_before) {
  lifetime = whole_millis(*fetched->expiration - now.wall);
  margin = margin_of(lifetime, refresh_before);
  obtained = now;
  credentials = std::move(fetched);
}

void CacheEntry::drop() { credentials.reset(); }

Millis CacheEntry::left(Moment now) const {
  if (!credentials) return Millis(0);
  const Millis by_wall = whole_millis(*credentials->expiration - now.wall);
  const Millis by_steady = lifetime - whole_millis(now.steady - obtained.steady);
  return std::max(Millis(0), std::min(by_wall, by_steady));
}

}  // namespace shed::aws
