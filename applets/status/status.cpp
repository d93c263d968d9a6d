// Is everything connected, and if not, why.
#include <cstdio>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/broker/status_report.h"
#include "shed/broker/status_socket.h"

namespace shed::applets {
namespace {

int run(Arguments arguments) {
  std::string url;
  bool json = false;
  CommandLine line(kStatus, "shed-ext status");
  line.option("--publish-url", url,
              "The guest bus; else $SHED_PUBLISH_URL, else " + std::string(bus::kDefaultPublishUrl));
  line.flag("--json", json, "As JSON");
  if (const auto code = line.parse(std::move(arguments))) return *code;
  const auto bus_url = bus::publish_url(url);
  if (!bus_url) return fail_usage(bus_url.error());
  async::Loop loop;
  broker::StatusQuery query{*bus_url, broker::default_status_socket(), environment("SSH_AUTH_SOCK")};
  const broker::StatusReport report = loop.block_on(broker::gather_status(loop, std::move(query)));
  std::fputs((json ? report.json() : report.text()).c_str(), stdout);
  return report.healthy() ? 0 : 1;
}

}  // namespace

const Applet kStatus{"status", "shed-ext-status", "Is everything connected, and if not, why", run};

}  // namespace shed::applets
