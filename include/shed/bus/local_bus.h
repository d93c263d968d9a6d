// Both halves of the bus in one process, with their HTTP sides: one guest, any number of listeners.
#pragma once

#include <memory>
#include <string>

#include "shed/async/scope.h"
#include "shed/bus/host_half.h"
#include "shed/bus/listener_api.h"
#include "shed/bus/publish_endpoint.h"
#include "shed/net/listener.h"

namespace shed::bus {

struct LocalBusOptions {
  std::string shed = "local";  // the guest's name for listeners
  std::string server;          // this server's name for listeners
};

class LocalBus {
 public:
  // Errors of net::Listener::open(). A unix socket is its owner's alone (0600).
  static Result<std::unique_ptr<LocalBus>> open(async::Loop& loop, const net::Address& guest,
                                                const net::Address& host, const LocalBusOptions& options);
  LocalBus(async::Loop& loop, net::Listener guest, net::Listener host, const LocalBusOptions& options);
  LocalBus(const LocalBus&) = delete;
  LocalBus& operator=(const LocalBus&) = delete;

  // Takes connections until the task is dropped; those that are there go with the bus.
  async::Task<> serve();
  // Tells those who wait that the bus stops, while serve() goes on; PublishEndpoint::farewell().
  async::Task<> farewell() { return publish_.farewell(); }

  const net::Address& guest_address() const { return guest_listener_.address(); }
  const net::Address& host_address() const { return host_listener_.address(); }
  HostHalf& host_half() { return host_half_; }

 private:
  net::Listener guest_listener_;
  net::Listener host_listener_;
  GuestHalf guest_half_;
  HostHalf host_half_;
  LocalLink link_;
  PublishEndpoint publish_;
  ListenerApi listeners_;
  net::HttpServer guest_server_;
  net::HttpServer host_server_;
  async::Loop& loop_;
};

}  // namespace shed::bus
