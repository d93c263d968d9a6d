// Rate limits: a token bucket for each guest and namespace, and one for the guest's pings.
//
// A bucket is one point in time: when it is full again. So nothing runs while nobody asks, and what a guest
// has left follows from the steady clock alone: setting the host's clock gives and takes nothing, and after a
// long pause a bucket is full and no fuller.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "shed/base/json.h"
#include "shed/broker/guest_id.h"
#include "shed/broker/limits.h"
#include "shed/broker/refusal_log.h"

namespace shed::broker {

// The buckets of all guests of the host agent.
class RateTable {
 public:
  // Who has a bucket that is not full. At this bound guests whose buckets are all full go, which changes
  // nothing for them; while there are none, a further guest is refused. So many have to be named, and to ask,
  // within the time in which a bucket fills.
  static constexpr std::size_t kMaxGuests = 4096;

  enum class Kind { kSsh, kAws, kDocker, kPing };

  // The clock must outlive it.
  RateTable(const Clock& clock, const Limits& limits);

  // Nothing: taken from the bucket. Else how long until it could be, and nothing is taken: who asks too often
  // does not wait longer for that.
  std::optional<Millis> take(std::string_view server, std::string_view shed, Kind kind);

  std::size_t guests() const { return guests_.size(); }

 private:
  static constexpr std::size_t kKinds = 4;
  struct Bucket {
    std::chrono::nanoseconds refill{0};   // of one request; 0: not limited
    std::chrono::nanoseconds allowed{0};  // a bucket that is this far from full still has one
  };
  using Guest = std::array<SteadyTime, kKinds>;  // when each is full; in the past: it is

  Guest* guest_for(GuestIdView id);
  bool make_room();

  const Clock& clock_;
  std::array<Bucket, kKinds> buckets_;
  std::map<GuestId, Guest, GuestIdOrder> guests_;
  SteadyTime no_room_until_{};
};

// In front of the handler of one namespace, and behind the replay guard: what comes again costs nothing.
// Refuses with `code` INTERNAL_ERROR and the reason code RATE_LIMITED, retryable; allocates nothing for what
// it lets through, unless that is no JSON.
class RateLimiter : public bus::RequestHandler {
 public:
  // Table and log must outlive it.
  RateLimiter(RateTable& table, RefusalLog& refusals, Namespace ns, std::string server_name,
              std::unique_ptr<bus::RequestHandler> next);
  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  std::string refuse(const bus::IncomingRequest& request, bool ping, Millis wait);

  RateTable& table_;
  RefusalLog& refusals_;
  Namespace ns_;
  std::string server_name_;
  std::unique_ptr<bus::RequestHandler> next_;
  JsonDocument document_;
};

}  // namespace shed::broker
