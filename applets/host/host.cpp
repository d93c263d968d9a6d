// The host agent, its starter configuration and its check.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/base/log_file.h"
#include "shed/broker/control_socket.h"
#include "shed/broker/host_agent.h"
#include "shed/broker/status_report.h"

namespace shed::applets {
namespace {

struct Options {
  std::string config;
  std::string log_file;
  std::string init;
  bool check = false;
  std::string shed, server;
  bool json = false;
};

int print_problems(const broker::ConfigProblems& problems) {
  for (const broker::ConfigProblem& problem : problems) fmt::print(stderr, "{}\n", problem.format());
  return 1;
}

std::string config_path(const Options& options) {
  return options.config.empty() ? broker::default_host_config_path() : expand_home(options.config);
}

int write_starter(const Options& options) {
  const std::string path =
      options.init.empty() ? broker::default_host_config_path() : expand_home(options.init);
  const Status status = broker::write_starter_config(path);
  if (!status) return fail_with(status.error());
  fmt::print("{} is written; check it with: shed-ext host --check --config {}\n", path, path);
  return 0;
}

int check(const Options& options) {
  const auto config = broker::load_host_config(config_path(options));
  if (!config) return print_problems(config.error());
  for (const auto& notice : config->notices) fmt::print(stderr, "{}\n", notice.format());
  std::fputs(broker::describe_for_shed(*config, options.server, options.shed).c_str(), stdout);
  return 0;
}

int print_status(const Options& options) {
  async::Loop loop;
  auto report = loop.block_on(broker::read_status(loop, broker::default_status_socket()));
  if (!report) return fail_with(report.error());
  std::fputs(options.json ? report->c_str() : broker::describe_status(*report).c_str(), stdout);
  return 0;
}

using Command = broker::ControlRequest::Command;

// No question is asked and nothing is read: it works when everything else does not.
int control(Command command, const Options& options) {
  if (options.shed.empty() && !options.server.empty()) {
    fmt::print(stderr, "shed-ext host {}: --server needs --shed: the guest on that server\n",
               broker::command_name(command));
    return 2;
  }
  async::Loop loop;
  const auto done = loop.block_on(broker::control_host(loop, broker::default_control_socket(),
                                                       {command, {options.server, options.shed}}));
  if (!done) return fail_with(done.error());
  for (std::string_view rest = *done; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    fmt::print("{}\n", log::printable(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}

async::Task<> serve(std::unique_ptr<broker::HostAgent> agent) { co_await agent->run(); }

int serve_host(const Options& options) {
  auto config = broker::load_host_config(config_path(options));
  if (!config) return print_problems(config.error());
  if (!options.log_file.empty()) {
    if (const Status opened = log::write_to_file(expand_home(options.log_file)); !opened) {
      return fail_with(opened.error().in("--log-file"));
    }
  }
  auto servers = broker::servers_of(*config);
  if (!servers) return fail_with(servers.error());
  broker::HostAgentOptions agent_options;
  agent_options.servers = std::move(*servers);
  agent_options.agent_socket = environment("SSH_AUTH_SOCK");
  agent_options.key_directory = home_directory() + "/.ssh";
  agent_options.known_hosts_files = broker::default_known_hosts_files(agent_options.key_directory);
  agent_options.status_socket = broker::default_status_socket();
  agent_options.control_socket = broker::default_control_socket();
  agent_options.approval_socket = broker::default_approval_socket();
  become_service();
  async::Loop loop;
  auto agent = loop.block_on(broker::HostAgent::start(loop, std::move(*config), std::move(agent_options)));
  if (!agent) return fail_with(agent.error());
  return end_soon(run_until_signal(loop, serve(std::move(*agent))));
}

int run(Arguments arguments) {
  Options options;
  CommandLine line(kHost, "shed-ext host");
  line.option("--config", options.config,
              "Configuration file; default " + broker::default_host_config_path());
  line.option("--log-file", options.log_file, "Log there (10 MB a file, 5 kept, 30 days) instead of stderr");
  bool init = false;
  line.option_with_optional_value("--init", init, options.init,
                                  "Write a commented configuration to start from, and stop");
  line.flag("--check", options.check, "Check the configuration and print what is in force, and stop");
  line.option("--shed", options.shed, "With --check: for this guest");
  line.option("--server", options.server, "With --check: on this server");
  bool version = false;
  bool status = false;
  line.command("version", version, "Print the version");
  line.command("status", status, "Is it running, and is it connected");
  line.command_flag("status", "--json", options.json, "As the JSON document of the status socket");
  struct Control {
    Command command;
    std::string_view help;
    bool given = false;
  };
  Control controls[] = {{Command::kPause, "Refuse everything to all guests, or to one, at once"},
                        {Command::kResume, "End a pause"},
                        {Command::kRevoke, "End what was granted, and forget AWS sessions"}};
  for (Control& each : controls) {
    const std::string_view name = broker::command_name(each.command);
    line.command(name, each.given, std::string(each.help));
    line.command_option(name, "--shed", options.shed, "This guest; without it all of them");
    line.command_option(name, "--server", options.server, "The guest of that name on this server only");
  }
  if (const auto code = line.parse(std::move(arguments))) return *code;
  if (version) {
    fmt::print("shed-host-agent {}\n", SHED_VERSION);
    return 0;
  }
  if (status) return print_status(options);
  for (const Control& each : controls) {
    if (each.given) return control(each.command, options);
  }
  if (init) return write_starter(options);
  if (options.check) return check(options);
  // Whoever names a guest wants to see something of it, and not to start what serves all.
  if (!options.shed.empty() || !options.server.empty()) {
    fmt::print(stderr, "shed-ext host: --shed and --server go with --check, pause, resume and revoke\n");
    return 2;
  }
  return serve_host(options);
}

}  // namespace

const Applet kHost{"host", "shed-host-agent", "The host agent: signs for guests, by policy, and records it",
                   run};

}  // namespace shed::applets
