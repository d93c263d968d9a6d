// The HTTP signing proxy: containers sign with the keys of this machine's SSH agent.
#include "shed/broker/signing_proxy.h"
#include "applet.h"
#include "command_line.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/signing_approval.h"
#include "shed/broker/signing_options.h"
#include "shed/net/listener.h"

namespace shed::applets {
namespace {

// What serves, in the order in which it is made.
struct Service {
  Service(async::Loop& loop, broker::SigningOptions chosen, broker::SigningKeys signing_keys,
          std::optional<broker::SigningTokens> demanded, net::Listener listening)
      : options(std::move(chosen)),
        keys(std::move(signing_keys)),
        tokens(std::move(demanded)),
        listener(std::move(listening)),
        agent(loop, broker::SigningProxy::agent_options(options.agent_socket)) {}

  void start(async::Loop& loop) {
    proxy.emplace(
        loop, agent, keys, tokens ? &*tokens : nullptr, approval ? &approval->policy() : nullptr,
        broker::SigningProxy::Options{options.namespaces, options.known_hosts, options.address.is_unix()});
    server.emplace(loop, *proxy, broker::SigningProxy::server_options());
  }

  broker::SigningOptions options;
  broker::SigningKeys keys;
  std::optional<broker::SigningTokens> tokens;
  net::Listener listener;
  ssh::AgentBackend agent;
  std::unique_ptr<broker::SigningApproval> approval;
  std::optional<broker::SigningProxy> proxy;
  std::optional<net::HttpServer> server;
};

async::Task<> serve(async::Loop& loop, Service& service) {
  async::Scope tasks(loop);
  if (service.approval) tasks.spawn(service.approval->run());
  co_await service.server->serve(service.listener.acceptor());
}

// Of a unix socket its mode says who comes.
void warn_of_strangers(const Service& service) {
  if (service.tokens || service.options.address.is_unix()) return;
  const std::string address = service.listener.address().text();
  const std::string who = service.options.address.is_local() ? "every user of this machine"
                                                             : fmt::format("whoever reaches {}", address);
  log::warning("{} can {}: demand tokens with SSH_AGENT_PROXY_TOKEN_FILE", who,
               service.approval ? "ask for signatures" : "sign");
}

void say_what_is_served(const Service& service) {
  std::string names;
  for (const std::string& name : service.options.namespaces) {
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
  }
  log::info("listening on {} (namespace{} {}), agent {}", service.listener.address().text(),
            service.options.namespaces.size() > 1 ? "s" : "", names, service.options.agent_socket);
  warn_of_strangers(service);
}

Result<broker::SigningKeys> open_keys(const broker::SigningOptions& options) {
  auto keys = broker::SigningKeys::open(options.public_key, options.public_key_file);
  const bool literal = !options.public_key.empty();
  if (!keys) return propagate(keys, literal ? "SSH_AGENT_PROXY_PUBKEY" : "SSH_AGENT_PROXY_PUBKEY_FILE");
  return keys;
}

Result<std::optional<broker::SigningTokens>> open_tokens(const broker::SigningOptions& options) {
  if (options.token_file.empty()) return std::nullopt;
  auto tokens = broker::SigningTokens::open(options.token_file);
  if (!tokens) return propagate(tokens, "SSH_AGENT_PROXY_TOKEN_FILE");
  return std::optional(std::move(*tokens));
}

int run_service(std::optional<broker::HostConfig> config) {
  auto options = broker::read_signing_options(environment);
  if (!options) return fail_with(options.error());
  auto keys = open_keys(*options);
  if (!keys) return fail_with(keys.error());
  auto tokens = open_tokens(*options);
  if (!tokens) return fail_with(tokens.error());
  become_service();
  async::Loop loop;
  auto listener = net::Listener::open(loop, options->address, options->socket_mode);
  if (!listener) return fail_with(listener.error().in("SSH_AGENT_PROXY_ADDR"));
  Service service(loop, std::move(*options), std::move(*keys), std::move(*tokens), std::move(*listener));
  if (config) {
    service.approval = std::make_unique<broker::SigningApproval>(loop, std::move(*config));
    const Status opened = service.approval->listen(broker::default_signing_approval_socket());
    if (!opened) return fail_with(opened.error());
  }
  service.start(loop);
  say_what_is_served(service);
  return end_soon(run_until_signal(loop, serve(loop, service), service.proxy->farewell()));
}

int run(Arguments arguments) {
  std::string config_path;
  CommandLine line(kSigningProxy, "ssh-agent-proxy");
  line.option("--config", config_path,
              "Decide, ask and record as this extensions.yaml says; without it everything is signed");
  line.footer(
      "Environment: SSH_AGENT_PROXY_ADDR, _NAMESPACE, _UPSTREAM (else SSH_AUTH_SOCK), _PUBKEY,\n"
      "_PUBKEY_FILE, _TOKEN_FILE, _HOSTS; ssh-agent-proxy(1) has them all.");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  if (config_path.empty()) return run_service(std::nullopt);
  auto config = broker::load_host_config(expand_home(config_path));
  if (config) return run_service(std::move(*config));
  for (const broker::ConfigProblem& problem : config.error()) fmt::print(stderr, "{}\n", problem.format());
  return 1;
}

}  // namespace

const Applet kSigningProxy{"signing-proxy", "ssh-agent-proxy",
                           "Signs over HTTP for containers, with the keys of the SSH agent", run};

}  // namespace shed::applets
