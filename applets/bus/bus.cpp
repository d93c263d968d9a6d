// The message bus, both halves in one process: guests publish on one address, host agents listen on
// the other.
#include <unistd.h>

#include <array>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/local_bus.h"

namespace shed::applets {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

int run(Arguments arguments) {
  std::string guest = "127.0.0.1:498";
  std::string host = "127.0.0.1:8080";
  bus::LocalBusOptions options;
  options.shed = host_name();
  CommandLine line(kBus, "shed-ext bus");
  line.option("--guest-listen", guest, "Where guests publish: ADDR:PORT or unix:PATH");
  line.option("--host-listen", host, "Where host agents listen: ADDR:PORT or unix:PATH");
  line.option("--shed", options.shed, "The guest's name for host agents");
  line.option("--server", options.server, "This server's name for host agents");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto guest_address = net::parse_address(guest);
  if (!guest_address) return fail_usage(guest_address.error().in("--guest-listen"));
  const auto host_address = net::parse_address(host);
  if (!host_address) return fail_usage(host_address.error().in("--host-listen"));
  // Whoever reaches either address uses the owner's keys: both stay on this machine.
  if (!guest_address->is_local() || !host_address->is_local()) {
    return fail_usage(Error(Errc::kRefused, "only loopback addresses and unix sockets can be listened on"));
  }
  become_service();
  async::Loop loop;
  auto local_bus = bus::LocalBus::open(loop, *guest_address, *host_address, options);
  if (!local_bus) return fail_with(local_bus.error());
  log::info("guests publish on {}, host agents listen on {}", (*local_bus)->guest_address().text(),
            (*local_bus)->host_address().text());
  return run_until_signal(loop, (*local_bus)->serve());
}

}  // namespace

const Applet kBus{"bus", "shed-ext-bus", "The message bus between guest and host", run};

}  // namespace shed::applets
