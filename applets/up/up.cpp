// Everything in one process on this machine, and a command in that environment.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "applet.h"
#include "command_environment.h"
#include "command_line.h"
#include "docker_for_command.h"
#include "guest_services.h"
#include "runtime_directory.h"
#include "service.h"
#include "shed/async/process.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/approval_channel.h"
#include "shed/broker/aws_endpoint.h"
#include "shed/broker/docker_logins.h"
#include "shed/broker/host_agent.h"
#include "shed/broker/ssh_relay.h"
#include "shed/bus/local_bus.h"
#include "shed/ssh/agent_server.h"

extern char** environ;

namespace shed::applets {
namespace {

// How long the host agent may take to be on the bus before the command starts anyway.
constexpr Millis kReadyLimit{2'000};

struct Options {
  std::string config;
  std::string shed = "local";
  std::vector<std::string> command;
  mode_t umask = 0;  // the person's, for the command
};

net::Address unix_address(std::string path) {
  net::Address address;
  address.unix_path = std::move(path);
  return address;
}

std::expected<broker::HostConfig, broker::ConfigProblems> configuration(const Options& options) {
  const std::string path =
      options.config.empty() ? broker::default_host_config_path() : expand_home(options.config);
  if (!options.config.empty() || ::access(path.c_str(), F_OK) == 0) return broker::load_host_config(path);
  log::say(fmt::format("no {}: the built-in configuration is used (ssh approve-all, the rest off)", path));
  return broker::built_in_config();
}

std::string publish_url(const RuntimeDirectory& directory) {
  return "http+unix://" + directory.file("bus.sock") + ":/v1/publish";
}

CommandEnvironment command_environment(const RuntimeDirectory& directory) {
  CommandEnvironment changed;
  changed.set("SSH_AUTH_SOCK", directory.file("agent.sock"));
  changed.set("SHED_PUBLISH_URL", publish_url(directory));
  changed.set("SHED_HOST_AGENT_SOCKET_DIR", directory.path());
  changed.remove("SSH_AGENT_PID");
  return changed;
}

// The credentials endpoint, on a port that the system chooses, and the way there for the command.
struct AwsMember {
  net::Listener listener;
  Secret token;
};

Result<AwsMember> open_aws(async::Loop& loop, const broker::HostConfig& config,
                           const RuntimeDirectory& directory, CommandEnvironment& changed) {
  auto listener = net::Listener::open(loop, *net::parse_address("127.0.0.1:0"));
  if (!listener) return propagate(listener);
  AwsMember member{std::move(*listener), broker::make_endpoint_token()};
  AwsForCommand aws;
  aws.url = fmt::format("http://{}/credentials", member.listener.address().text());
  aws.token = member.token.reveal();
  aws.empty_file = directory.file("aws");
  if (const Status written = write_file_atomically(aws.empty_file, "", 0600); !written)
    return propagate(written);
  // Broken files are told, with file and line, when credentials are wanted.
  aws.region = profile_region(config).value_or("");
  lead_to_endpoint(changed, aws);
  return member;
}

// Passes on what ends a session. The terminal's own signals reach the command by themselves, since
// it is in the same process group; here they are caught so that they do not end the broker first.
class SessionSignals {
 public:
  explicit SessionSignals(async::Loop& loop)
      : terminate_(loop, SIGTERM),
        hang_up_(loop, SIGHUP),
        interrupt_(loop, SIGINT),
        quit_(loop, SIGQUIT),
        scope_(loop) {}

  void pass_on_to(async::Process& process) {
    release_stop_signals();
    scope_.spawn(pass_on(terminate_, process, SIGTERM));
    scope_.spawn(pass_on(hang_up_, process, SIGHUP));
  }

 private:
  static async::Task<> pass_on(async::SignalWatcher& watcher, async::Process& process, int number) {
    for (;;) {
      co_await watcher.wait();
      process.kill(number);
    }
  }

  async::SignalWatcher terminate_, hang_up_, interrupt_, quit_;
  async::Scope scope_;
};

async::Task<int> run_command(async::Loop& loop, const Options& options,
                             std::vector<std::string> environment) {
  async::ProcessOptions wanted;
  wanted.command = options.command;
  wanted.environment = std::move(environment);
  wanted.umask = options.umask;
  SessionSignals signals(loop);
  auto process = async::Process::spawn(loop, wanted);
  if (!process) {
    log::error("{}", process.error().text());
    co_return process.error().code() == Errc::kNotFound ? 127 : 126;  // as a shell has it
  }
  become_alone();
  signals.pass_on_to(*process);
  const async::ExitStatus status = co_await process->wait();
  co_return status.shell_code();
}

async::Task<Result<int>> up(async::Loop& loop, const Options& options, broker::HostConfig config) {
  const auto directory = RuntimeDirectory::make();
  if (!directory) co_return propagate(directory);
  auto bus = bus::LocalBus::open(loop, unix_address(directory->file("bus.sock")),
                                 unix_address(directory->file("host.sock")), {options.shed, ""});
  if (!bus) co_return propagate(bus);
  auto agent_listener = net::Listener::open(loop, unix_address(directory->file("agent.sock")));
  if (!agent_listener) co_return propagate(agent_listener);

  CommandEnvironment changed = command_environment(*directory);
  std::optional<AwsMember> aws;
  if (config.aws_enabled()) {
    auto opened = open_aws(loop, config, *directory, changed);
    if (!opened) co_return propagate(opened);
    aws.emplace(std::move(*opened));
  }
  if (config.aws_role_is_missing()) {
    log::warning("aws has no role: the command finds your own AWS credentials; set aws.default_role in {}",
                 config.file);
  }
  if (config.docker_enabled()) {
    const Status led = lead_to_docker_helper(changed, directory->file("docker"),
                                             broker::known_hosts(config, "", options.shed));
    if (!led) co_return propagate(led);
  }

  broker::HostAgentOptions host;
  host.servers.push_back({"", *net::parse_url("unix://" + directory->file("host.sock")), ""});
  host.agent_socket = environment("SSH_AUTH_SOCK");
  host.key_directory = home_directory() + "/.ssh";
  host.known_hosts_files = broker::default_known_hosts_files(host.key_directory);
  host.status_socket = directory->file("host-agent-status.sock");
  host.control_socket = directory->file("host-agent-control.sock");
  host.approval_socket = directory->file("host-agent.sock");
  if (!config.gate_namespaces().empty())
    log::say("to approve what is asked: " + broker::approve_command(host.approval_socket));
  auto agent = co_await broker::HostAgent::start(loop, std::move(config), std::move(host));
  if (!agent) co_return propagate(agent);

  const net::Url bus_url = *net::parse_url(publish_url(*directory));
  bus::Publisher publisher(loop, bus_url);
  broker::SshRelay relay(loop, publisher, "");
  ssh::AgentServer server(loop, relay);
  async::Scope scope(loop);
  scope.spawn((*bus)->serve());
  scope.spawn((*agent)->run());
  scope.spawn(server.serve(agent_listener->acceptor()));
  const bool ready = co_await (*agent)->connected(kReadyLimit);
  if (!ready) log::warning("the host agent is not on the bus yet");
  scope.spawn(relay.watch_host());
  if (aws) scope.spawn(serve_aws_credentials(loop, std::move(aws->listener), bus_url, std::move(aws->token)));
  co_return co_await run_command(loop, options, changed.apply(environ));
}

int run(Arguments arguments) {
  Options options;
  // What stands behind "--" is the command's, and no option of ours.
  const auto dashes = std::ranges::find(arguments, "--");
  if (dashes != arguments.end()) options.command.assign(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  CommandLine line(kUp, "shed-ext up");
  line.no_words("a command goes behind --, as in: shed-ext up -- ssh-add -l");
  line.footer("What follows '--' is the command to run; $SHELL without one. Its exit status is returned.");
  line.option("--config", options.config,
              "Configuration file; default " + broker::default_host_config_path());
  line.option("--shed", options.shed, "The guest's name, for policy and audit");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  if (options.command.empty()) {
    const std::string shell = environment("SHELL");
    options.command = {shell.empty() ? "/bin/sh" : shell};
  }
  auto config = configuration(options);
  if (!config) {
    for (const auto& problem : config.error()) fmt::print(stderr, "{}\n", problem.format());
    return 1;
  }
  // What the command writes is all there is to see, unless something is wrong.
  log::set_level(log::Level::kWarning);
  options.umask = ::umask(077);
  become_parent();
  async::Loop loop;
  const auto status = loop.block_on(up(loop, options, std::move(*config)));
  return end_soon(status ? *status : fail_with(status.error()));
}

}  // namespace

const Applet kUp{"up", "", "Everything at once on this machine; runs a command in that environment", run};

}  // namespace shed::applets
