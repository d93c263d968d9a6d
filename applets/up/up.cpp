// Everything in one process on this machine, and a command in that environment.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "applet.h"
#include "command_line.h"
#include "runtime_directory.h"
#include "service.h"
#include "shed/async/process.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
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

// The command's environment: ours, with the brokered endpoints instead of the real ones.
std::vector<std::string> command_environment(const RuntimeDirectory& directory) {
  const std::vector<std::string> ours{
      "SSH_AUTH_SOCK=" + directory.file("agent.sock"),
      "SHED_PUBLISH_URL=http+unix://" + directory.file("bus.sock") + ":/v1/publish",
      "SHED_HOST_AGENT_SOCKET_DIR=" + directory.path(),
      "SSH_AGENT_PID=",
  };
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto replaced = [&](const std::string& other) {
      return text.starts_with(std::string_view(other).substr(0, other.find('=') + 1));
    };
    if (std::ranges::none_of(ours, replaced)) result.emplace_back(text);
  }
  for (const std::string& entry : ours) {
    if (!entry.ends_with('=')) result.push_back(entry);
  }
  return result;
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

async::Task<int> run_command(async::Loop& loop, const Options& options, const RuntimeDirectory& directory) {
  async::ProcessOptions wanted;
  wanted.command = options.command;
  wanted.environment = command_environment(directory);
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

  broker::HostAgentOptions host;
  host.servers.push_back({"", *net::parse_url("unix://" + directory->file("host.sock")), ""});
  host.agent_socket = environment("SSH_AUTH_SOCK");
  host.key_directory = home_directory() + "/.ssh";
  host.status_socket = directory->file("host-agent-status.sock");
  auto agent = co_await broker::HostAgent::start(loop, std::move(config), std::move(host));
  if (!agent) co_return propagate(agent);

  bus::Publisher publisher(loop,
                           *net::parse_url("http+unix://" + directory->file("bus.sock") + ":/v1/publish"));
  broker::SshRelay relay(loop, publisher, "");
  ssh::AgentServer server(loop, relay);
  async::Scope scope(loop);
  scope.spawn((*bus)->serve());
  scope.spawn((*agent)->run());
  scope.spawn(server.serve(agent_listener->acceptor()));
  const bool ready = co_await (*agent)->connected(kReadyLimit);
  if (!ready) log::warning("the host agent is not on the bus yet");
  scope.spawn(relay.watch_host());
  co_return co_await run_command(loop, options, *directory);
}

int run(Arguments arguments) {
  Options options;
  // What stands behind "--" is the command's, and no option of ours.
  const auto dashes = std::ranges::find(arguments, "--");
  if (dashes != arguments.end()) options.command.assign(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  CommandLine line(kUp, "shed-ext up");
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
  return status ? *status : fail_with(status.error());
}

}  // namespace

const Applet kUp{"up", "", "Everything at once on this machine; runs a command in that environment", run};

}  // namespace shed::applets
