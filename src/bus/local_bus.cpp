#include "shed/bus/local_bus.h"

namespace shed::bus {

Result<std::unique_ptr<LocalBus>> LocalBus::open(async::Loop& loop, const net::Address& guest,
                                                 const net::Address& host, const LocalBusOptions& options) {
  auto guest_listener = net::Listener::open(loop, guest);
  if (!guest_listener) return propagate(guest_listener);
  auto host_listener = net::Listener::open(loop, host);
  if (!host_listener) return propagate(host_listener);
  return std::make_unique<LocalBus>(loop, std::move(*guest_listener), std::move(*host_listener), options);
}

LocalBus::LocalBus(async::Loop& loop, net::Listener guest, net::Listener host, const LocalBusOptions& options)
    : guest_listener_(std::move(guest)),
      host_listener_(std::move(host)),
      guest_half_(loop),
      host_half_(loop),
      link_(guest_half_, host_half_, options.shed, options.server),
      publish_(guest_half_),
      listeners_(loop, host_half_),
      guest_server_(loop, publish_, {.max_body = kMaxPublishBody}),
      // An answer is a guest's payload and the envelope around it.
      host_server_(loop, listeners_, {.max_body = kMaxPublishBody + 64 * 1024}),
      loop_(loop) {}

async::Task<> LocalBus::serve() {
  async::Scope scope(loop_);
  scope.spawn(guest_server_.serve(guest_listener_.acceptor()));
  scope.spawn(host_server_.serve(host_listener_.acceptor()));
  co_await scope.join();
}

}  // namespace shed::bus
