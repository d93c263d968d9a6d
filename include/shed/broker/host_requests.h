// Requests from the guest to one namespace of the host, with a time limit that knows about people.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/bus/publisher.h"

namespace shed::broker {

class HostRequests {
 public:
  // A request that has taken this long pings the host beside it: who waits for a person says so in the
  // answer, and has its own time then.
  static constexpr Millis kPatience{250};
  static constexpr Millis kPingLimit{2'000};

  // `limit` holds until a ping's answer says otherwise (protocol.md section 6); once a host has answered a
  // ping it has `while_alive` at the least, for who can wait. Both must outlive it.
  HostRequests(async::Loop& loop, bus::Publisher& publisher, std::string_view ns, Millis limit,
               Millis while_alive = Millis(0))
      : loop_(loop), publisher_(publisher), ns_(ns), usual_(std::max(limit, while_alive)), limit_(limit) {}

  // `payload` must stay until the task is done. Errors as Publisher::request() has them.
  async::Task<Result<bus::Publisher::Reply>> ask(std::string_view payload);
  // Asks how long the host may take; Errc::kProtocol when its answer is not ok.
  async::Task<Status> ping();
  Millis limit() const { return limit_; }
  // Whether the host has answered the last ping: it is there, and slow.
  bool host_answers() const { return host_answers_; }

 private:
  async::Task<> learn_limit();

  async::Loop& loop_;
  bus::Publisher& publisher_;
  std::string_view ns_;
  Millis usual_;
  Millis limit_;
  bool host_answers_ = false;
};

}  // namespace shed::broker
