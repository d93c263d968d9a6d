// The message bus: one of its halves, or both in one process, where guests publish on one address and
// host agents listen on the other.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "applet.h"
#include "command_line.h"
#include "guest_bus.h"
#include "host_bus.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/local_bus.h"

namespace shed::applets {
namespace {

// Each half has options of its own.
struct Half {
  std::string_view option;
  int (*run)(Arguments arguments);
};
constexpr Half kHalves[] = {{"guest", run_guest_bus}, {"host", run_host_bus}};

std::string_view without_dashes(std::string_view argument) {
  const std::size_t dashes = argument.starts_with("--") ? 2 : argument.starts_with("-") ? 1 : 0;
  return dashes == 0 ? std::string_view() : argument.substr(dashes);
}

// The half that is asked for; takes what asked for it off the command line.
Result<const Half*> choose_half(Arguments& arguments) {
  const Half* chosen = nullptr;
  for (const Half& half : kHalves) {
    const auto asks = [&](const std::string& argument) { return without_dashes(argument) == half.option; };
    if (std::erase_if(arguments, asks) == 0) continue;
    if (chosen != nullptr) {
      return fail(Errc::kInvalid,
                  "--{} and --{}: give one of the two, or neither for both halves in one process",
                  chosen->option, half.option);
    }
    chosen = &half;
  }
  return chosen;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

int run_both(Arguments arguments) {
  std::string guest = "127.0.0.1:498";
  std::string host = "127.0.0.1:8080";
  bus::LocalBusOptions options;
  options.shed = host_name();
  CommandLine line(kBus, "shed-ext bus");
  line.option("--guest-listen", guest, "Where guests publish: ADDR:PORT or unix:PATH");
  line.option("--host-listen", host, "Where host agents listen: ADDR:PORT or unix:PATH");
  line.option("--shed", options.shed, "The guest's name for host agents");
  line.option("--server", options.server, "This server's name for host agents");
  line.footer(
      "Both halves in one process. One half alone, with options of its own:\n"
      "  shed-ext bus --guest --help\n  shed-ext bus --host --help");
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
  return run_until_signal(loop, (*local_bus)->serve(), (*local_bus)->farewell());
}

int run(Arguments arguments) {
  const auto half = choose_half(arguments);
  if (!half) return fail_usage(half.error());
  return *half == nullptr ? run_both(std::move(arguments)) : (*half)->run(std::move(arguments));
}

}  // namespace

const Applet kBus{"bus", "shed-ext-bus", "The message bus between guest and host", run};

}  // namespace shed::applets
