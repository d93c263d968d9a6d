// The bus's own namespace on a frame link: greeting and heartbeat (protocol.md section 3).
//
//   host → guest   request   system:health   payload {"token": "..."} (ours) or null
//   guest → host   response  system:health   payload null: from now on this link carries messages
//   guest → host   event     system:health   payload {"started_at": RFC 3339}, at once and every 15 s
//
// Behind a serial line the connection stays when the guest's process does not. Whoever opens one as the
// guest begins with the event {"started_at": ..., "greeted": false} (ours), and is greeted again.
#pragma once

#include <string_view>

#include "shed/base/clock.h"

namespace shed::bus {

inline constexpr std::string_view kHealthNamespace = "system:health";
// From a connection to the end of the greeting.
inline constexpr Millis kGreetingLimit{5'000};
inline constexpr Millis kHeartbeatInterval{15'000};
// Three heartbeats: a guest that says nothing for so long is gone.
inline constexpr Millis kSilenceLimit = 3 * kHeartbeatInterval;

}  // namespace shed::bus
