// host-agent-control.sock: who may use it pauses, resumes and revokes. One JSON object on a line in, one out,
// then closed:
//   {"command":"pause","shed":"web","server":""}     shed and server may be absent
//   {"ok":true,"text":"paused: web; …"}   or   {"ok":false,"error":"…"}
// Directory 0700, socket 0600, and the peer's user id is looked at: only the owner and root are served.
#pragma once

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "shed/async/scope.h"
#include "shed/broker/host_control.h"
#include "shed/net/listener.h"

namespace shed::broker {

inline constexpr std::size_t kMaxControlLine = 4096;

std::string default_control_socket();

class ControlSocket {
 public:
  static constexpr std::size_t kMaxClients = 16;
  static constexpr Millis kClientLimit{2'000};  // from connecting to the last byte read

  using Run = std::function<Result<std::string>(const ControlRequest&)>;

  // Errors as net::Listener::open() has them: a live socket is never replaced. `user` may connect, beside
  // root.
  static Result<std::unique_ptr<ControlSocket>> open(async::Loop& loop, const std::string& path, Run run,
                                                     uid_t user = ::geteuid());
  ControlSocket(async::Loop& loop, net::Listener listener, Run run, uid_t user);
  // Serves until the task is dropped.
  async::Task<> run();

 private:
  async::Task<> serve(async::Stream stream);
  std::string answer(std::string_view line) const;

  async::Loop& loop_;
  net::Listener listener_;
  Run run_;
  uid_t user_;
  async::Scope clients_;
};

// Asks the running host agent, and returns what it says. Errc::kUnavailable when there is none, kRefused with
// its reason, kTimeout, kProtocol.
async::Task<Result<std::string>> control_host(async::Loop& loop, std::string path, ControlRequest request);

}  // namespace shed::broker
