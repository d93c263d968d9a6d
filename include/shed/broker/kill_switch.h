// The kill switch: guests that are paused, and the requests under way that a pause ends.
//
// In force at once and in memory only: a restart of the host agent resumes. A paused guest is refused with
// the reason code HOST_PAUSED, whatever rule, grant or policy would have allowed; pings alone are answered,
// which hand out nothing. What it had under way is dropped where it is, at a person as at a back end.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/event.h"
#include "shed/async/list.h"
#include "shed/base/json.h"
#include "shed/broker/guest_id.h"
#include "shed/broker/refusal_log.h"

namespace shed::broker {

// Which guests are meant: those of one name, or all with an empty one; on one server, or on every one with an
// empty one.
struct GuestSelection {
  std::string server, shed;

  bool covers(std::string_view on_server, std::string_view name) const {
    return (shed.empty() || shed == name) && (server.empty() || server == on_server);
  }
  // Whether each guest that `other` means is meant.
  bool covers(const GuestSelection& other) const {
    return (shed.empty() || shed == other.shed) && (server.empty() || server == other.server);
  }
  std::string text() const;  // "web on mini2", "all guests"
  bool operator==(const GuestSelection&) const = default;
};

class KillSwitch {
 public:
  // Kept at a time. One more is Errc::kLimit, and pausing all guests always works.
  static constexpr std::size_t kMaxPauses = 256;
  // Guests whose names are remembered, so that a slip of the pen can be told. Further ones count as not seen.
  static constexpr std::size_t kMaxSeen = 4096;

  // The loop must outlive it, and it the requests.
  explicit KillSwitch(async::Loop& loop) : loop_(loop) {}

  // How many requests under way were ended. To pause what is paused already ends nothing more.
  Result<std::size_t> pause(const GuestSelection& guests);
  // How many pauses ended: those of guests that are all among these.
  std::size_t resume(const GuestSelection& guests);
  // The pause that holds for this guest; null when there is none. Valid until the next call.
  const GuestSelection* pause_of(std::string_view server, std::string_view shed) const;
  // One that still holds for some of these guests.
  const GuestSelection* pause_within(const GuestSelection& guests) const;
  const std::vector<GuestSelection>& pauses() const { return pauses_; }
  // Whether one of these guests has asked for anything since the start.
  bool has_seen(const GuestSelection& guests) const;

 private:
  friend class PauseGuard;
  // A request under way. Lives in the frame of its task.
  struct Work : async::ListHook {
    Work(async::Loop& loop, std::string_view on_server, std::string_view name)
        : server(on_server), shed(name), settled(loop) {}
    std::string_view server, shed;
    async::Event settled;  // answered or ended
    bool ended = false;
  };
  void note(std::string_view server, std::string_view shed);
  std::size_t end(const GuestSelection& guests);

  async::Loop& loop_;
  std::vector<GuestSelection> pauses_;
  std::set<GuestId, GuestIdOrder> seen_;
  async::IntrusiveList<Work> work_;
};

// The outermost of what stands in front of the handler of one namespace: nothing of a paused guest gets to
// the others, and no answer that they keep gets out.
class PauseGuard : public bus::RequestHandler {
 public:
  // Switch and log must outlive it.
  PauseGuard(KillSwitch& kill_switch, RefusalLog& refusals, Namespace ns, std::string server_name,
             std::unique_ptr<bus::RequestHandler> next);
  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  std::string refuse(const bus::IncomingRequest& request, std::string_view op, std::string_view reason);

  KillSwitch& switch_;
  RefusalLog& refusals_;
  Namespace ns_;
  std::string server_name_;
  std::unique_ptr<bus::RequestHandler> next_;
  JsonDocument document_;
};

}  // namespace shed::broker
