// Records of what is refused before a handler sees it. A guest that floods gets one record a second, which
// says for how many requests it stands: the log does not grow at the speed of the bus, and nothing is left
// out silently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "shed/async/loop.h"
#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/guest_id.h"
#include "shed/broker/policy.h"
#include "shed/bus/listener_client.h"

namespace shed::broker {

// The operation of a request, "unknown" for what is none: names come from a guest, and only known ones go
// into a record. `document` is for reading, and worth keeping.
std::string_view operation_of(const bus::IncomingRequest& request, JsonDocument& document);
// {"operation":"ping"}. What is longer than kMaxPing bytes is not looked at, and counts as another request.
bool is_ping(const bus::IncomingRequest& request, JsonDocument& document);
inline constexpr std::size_t kMaxPing = 128;

class RefusalLog : private async::Alarm {
 public:
  static constexpr Millis kInterval{1'000};
  // Guests that were refused within it. What is refused to further ones is counted in one record together,
  // which names the last of them.
  static constexpr std::size_t kMaxGuests = 1024;
  static constexpr std::size_t kMaxRequestId = 128;

  struct Refusal {
    Namespace ns;
    std::string_view op;
    std::string_view server;  // as server_of() has it
    std::string_view code;    // of the record
    std::string_view reason;
  };

  // Log and loop must outlive it.
  RefusalLog(async::Loop& loop, AuditLog& audit) : Alarm(loop), audit_(audit), limiter_(loop.clock()) {}
  // Writes what is counted and not written yet.
  ~RefusalLog() override;

  // The first of a guest at once, those that follow within kInterval together at its end. One line in the log
  // a minute for each guest and code. What cannot be written now is counted in the next record.
  void add(const bus::IncomingRequest& request, const Refusal& refusal);

 private:
  struct Guest {
    AuditRecord last;
    SteadyTime told;
    std::uint64_t not_told = 0;
  };

  void on_due() override;
  void tell(Guest& guest);

  AuditLog& audit_;
  std::map<GuestId, Guest, GuestIdOrder> guests_;
  log::Limiter limiter_;
};

}  // namespace shed::broker
