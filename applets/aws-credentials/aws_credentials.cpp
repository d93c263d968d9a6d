// The guest's AWS container-credentials endpoint: every request goes to the host over the bus.
#include "applet.h"
#include "command_line.h"
#include "guest_services.h"
#include "service.h"
#include "shed/base/log.h"
#include "shed/bus/publisher.h"

namespace shed::applets {
namespace {

int run(Arguments arguments) {
  AwsListenOptions options;
  std::string url;
  CommandLine line(kAwsCredentials, "shed-ext aws-credentials");
  line.option("--port", options.port, "Port of 127.0.0.1 to listen on; default 499");
  line.option("--listen", options.listen, "ADDRESS:PORT (loopback only) or unix:PATH, instead of --port");
  line.option("--publish-url", url,
              "The guest bus; else $SHED_PUBLISH_URL, else " + std::string(bus::kDefaultPublishUrl));
  line.option("--token-file", options.token_file, "Write a new token there, and demand it of clients");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto bus_url = bus::publish_url(url);
  if (!bus_url) return fail_usage(bus_url.error());
  const auto address = aws_listen_address(options);
  if (!address) return fail_usage(address.error());
  become_service();
  async::Loop loop;
  auto listener = net::Listener::open(loop, *address);
  if (!listener) return fail_with(listener.error());
  auto token = write_token_file(options.token_file);
  if (!token) return fail_with(token.error());
  log::info("listening on {}", listener->address().text());
  auto serving = serve_aws_credentials(loop, std::move(*listener), *bus_url, std::move(*token));
  return end_soon(run_until_signal(loop, std::move(serving)));
}

}  // namespace

const Applet kAwsCredentials{"aws-credentials", "shed-ext-aws-credentials",
                             "AWS credentials for the guest, as SDKs ask for them", run};

}  // namespace shed::applets
