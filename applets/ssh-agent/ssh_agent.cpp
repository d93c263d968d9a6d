// The guest's SSH agent: a unix socket whose requests go to the host over the bus.
#include "applet.h"
#include "command_line.h"
#include "guest_services.h"
#include "service.h"
#include "shed/base/log.h"
#include "shed/bus/publisher.h"

namespace shed::applets {
namespace {

int run(Arguments arguments) {
  std::string socket = kDefaultAgentSocket;
  std::string url;
  CommandLine line(kSshAgent, "shed-ext ssh-agent");
  line.option("--sock", socket, "Unix socket to listen on");
  line.option("--publish-url", url,
              "The guest bus; else $SHED_PUBLISH_URL, else " + std::string(bus::kDefaultPublishUrl));
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto bus_url = bus::publish_url(url);
  if (!bus_url) return fail_usage(bus_url.error());
  become_service();
  async::Loop loop;
  net::Address address;
  address.unix_path = socket;
  auto listener = net::Listener::open(loop, address);
  if (!listener) return fail_with(listener.error());
  log::info("listening on {}", socket);
  return end_soon(run_until_signal(loop, serve_ssh_agent(loop, std::move(*listener), *bus_url)));
}

}  // namespace

const Applet kSshAgent{"ssh-agent", "shed-ext-ssh-agent",
                       "SSH agent for the guest: asks the host over the bus", run};

}  // namespace shed::applets
