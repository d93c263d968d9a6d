// All services of the guest in one process and one event loop.
#include "applet.h"
#include "bus/guest_bus.h"
#include "command_line.h"
#include "guest_services.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/bus/publisher.h"

namespace shed::applets {
namespace {

struct Options {
  std::string socket = kDefaultAgentSocket;
  AwsListenOptions aws;
  std::string url;
  GuestBusOptions bus{.prefix = "bus-"};
};

// What the options mean, before anything is opened.
struct Plan {
  net::Address aws;
  std::optional<GuestBusPlan> bus;  // none: somebody else's at `url`
  net::Url url;
};

// A bus that somebody named runs already; else this process is the guest's half of it.
Result<Plan> make_plan(const Options& options) {
  Plan plan;
  auto aws = aws_listen_address(options.aws);
  if (!aws) return propagate(aws);
  plan.aws = std::move(*aws);
  const bool is_elsewhere = !options.url.empty() || !environment("SHED_PUBLISH_URL").empty();
  if (!is_elsewhere) {
    auto bus = plan_guest_bus(options.bus);
    if (!bus) return propagate(bus);
    plan.bus.emplace(std::move(*bus));
    return plan;
  }
  if (options.bus.any()) {
    return fail(
        Errc::kInvalid,
        "{} names a bus that runs already: options of an own one (--bus-..., --frames, --allow-loopback) "
        "do not go with it",
        options.url.empty() ? "SHED_PUBLISH_URL" : "--publish-url");
  }
  auto url = bus::publish_url(options.url);
  if (!url) return propagate(url);
  plan.url = std::move(*url);
  return plan;
}

// Everything that can fail is open before anything is served.
struct Members {
  std::unique_ptr<GuestBus> bus;  // none: somebody else's
  net::Url url;
  net::Listener agent;
  net::Listener credentials;
  Secret token;
};

Result<std::unique_ptr<GuestBus>> open_bus(async::Loop& loop, const GuestBusPlan& plan) {
  auto bus = GuestBus::open(loop, plan);
  if (bus || bus.error().code() != Errc::kExists) return bus;
  return fail(Errc::kExists,
              "{}; a bus that runs already is used with --publish-url {}, another address for an own one "
              "with --bus-listen",
              bus.error().text(), publish_url_text(plan.publish));
}

Result<Members> open_members(async::Loop& loop, const Options& options, const Plan& plan) {
  std::unique_ptr<GuestBus> own_bus;
  if (plan.bus) {
    auto opened = open_bus(loop, *plan.bus);
    if (!opened) return propagate(opened);
    own_bus = std::move(*opened);
  }
  net::Address agent_address;
  agent_address.unix_path = options.socket;
  auto agent = net::Listener::open(loop, agent_address);
  if (!agent) return propagate(agent);
  auto credentials = net::Listener::open(loop, plan.aws);
  if (!credentials) return propagate(credentials);
  auto token = write_token_file(options.aws.token_file);
  if (!token) return propagate(token);
  net::Url url = own_bus ? own_bus->publish_url() : plan.url;
  return Members{std::move(own_bus), std::move(url), std::move(*agent), std::move(*credentials),
                 std::move(*token)};
}

// A host half dials anew every second. Who asks before it has come waits for it: an error at every start
// would be no news.
constexpr Millis kFirstHostLimit{2'000};

async::Task<> serve(async::Loop& loop, Members& members) {
  async::Scope scope(loop);
  if (members.bus) {
    scope.spawn(members.bus->serve());
    co_await members.bus->wait_for_host(kFirstHostLimit);
  }
  scope.spawn(serve_ssh_agent(loop, std::move(members.agent), members.url));
  scope.spawn(
      serve_aws_credentials(loop, std::move(members.credentials), members.url, std::move(members.token)));
  co_await scope.join();
}

async::Task<> farewell(Members& members) {
  if (members.bus) co_await members.bus->farewell();
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
              "A guest bus that runs already; else $SHED_PUBLISH_URL, else an own one in this process");
  line.option("--bus-listen", options.bus.listen,
              "Where guests publish on the own bus: ADDR:PORT or unix:PATH; default 127.0.0.1:498");
  line.option("--frames", options.bus.frames,
              "Where the host half comes in on the own bus: vsock:PORT, unix:PATH, tcp+tls://ADDR:PORT or "
              "serial:PATH; default vsock:1026");
  line.option("--bus-token-file", options.bus.token_file, "Demand the token in this file of the host half");
  line.option("--bus-tls-file", options.bus.tls_file, "Certificate and key for tcp+tls");
  line.flag("--allow-loopback", options.bus.allow_loopback,
            "Let this machine's own processes in on the vsock");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto plan = make_plan(options);
  if (!plan) return fail_usage(plan.error());
  become_service();
  async::Loop loop;
  auto members = open_members(loop, options, *plan);
  if (!members) return fail_with(members.error());
  log::info("listening on {} and {}", options.socket, members->credentials.address().text());
  return end_soon(run_until_signal(loop, serve(loop, *members), farewell(*members)));
}

}  // namespace

const Applet kGuest{"guest", "shed-ext-guest",
                    "The guest's services in one process: bus half, SSH agent and AWS credentials", run};

}  // namespace shed::applets
