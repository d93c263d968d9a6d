// All services of the guest in one process and one event loop.
#include "applet.h"
#include "command_line.h"
#include "guest_services.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/publisher.h"

namespace shed::applets {
namespace {

struct Options {
  std::string socket = kDefaultAgentSocket;
  AwsListenOptions aws;
  std::string url;
};

// Everything that can fail is open before anything is served.
struct Members {
  net::Listener agent;
  net::Listener credentials;
  Secret token;
};

Result<Members> open_members(async::Loop& loop, const Options& options, const net::Address& aws_address) {
  net::Address agent_address;
  agent_address.unix_path = options.socket;
  auto agent = net::Listener::open(loop, agent_address);
  if (!agent) return propagate(agent);
  auto credentials = net::Listener::open(loop, aws_address);
  if (!credentials) return propagate(credentials);
  auto token = write_token_file(options.aws.token_file);
  if (!token) return propagate(token);
  return Members{std::move(*agent), std::move(*credentials), std::move(*token)};
}

async::Task<> serve(async::Loop& loop, Members& members, net::Url bus) {
  async::Scope scope(loop);
  scope.spawn(serve_ssh_agent(loop, std::move(members.agent), bus));
  scope.spawn(serve_aws_credentials(loop, std::move(members.credentials), bus, std::move(members.token)));
  co_await scope.join();
}

int run(Arguments arguments) {
  Options options;
  CommandLine line(kGuest, "shed-ext guest");
  line.option("--sock", options.socket, "Unix socket of the SSH agent");
  line.option("--port", options.aws.port, "Port of 127.0.0.1 for AWS credentials; default 499");
  line.option("--listen", options.aws.listen, "ADDRESS:PORT (loopback only) or unix:PATH, instead of --port");
  line.option("--token-file", options.aws.token_file,
              "Write a new token there, and demand it of AWS clients");
  line.option("--publish-url", options.url,
              "The guest bus; else $SHED_PUBLISH_URL, else " + std::string(bus::kDefaultPublishUrl));
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto bus_url = bus::publish_url(options.url);
  if (!bus_url) return fail_usage(bus_url.error());
  const auto aws_address = aws_listen_address(options.aws);
  if (!aws_address) return fail_usage(aws_address.error());
  become_service();
  async::Loop loop;
  auto members = open_members(loop, options, *aws_address);
  if (!members) return fail_with(members.error());
  log::info("listening on {} and {}", options.socket, members->credentials.address().text());
  return end_soon(run_until_signal(loop, serve(loop, *members, *bus_url)));
}

}  // namespace

const Applet kGuest{"guest", "shed-ext-guest", "SSH agent and AWS credentials for the guest in one process",
                    run};

}  // namespace shed::applets
