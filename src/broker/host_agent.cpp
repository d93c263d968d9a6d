#include "shed/broker/host_agent.h"

#include <algorithm>

#include "broker/aws_backend.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/broker/aws_handler.h"
#include "shed/broker/docker_handler.h"
#include "shed/broker/docker_logins.h"
#include "shed/bus/fair_queue.h"
#include "shed/ssh/choose_backend.h"

namespace shed::broker {
namespace {

// A guest whose signatures all wait for a person at the agent leaves it to the others.
static_assert(ssh::kMaxAgentOperations >= 2 * bus::FairQueue::kWindow);

ssh::BackendMode backend_mode(SshMode mode) {
  switch (mode) {
    case SshMode::kAuto:
      return ssh::BackendMode::kAuto;
    case SshMode::kAgentForward:
      return ssh::BackendMode::kAgentForward;
    case SshMode::kLocalKeys:
      return ssh::BackendMode::kLocalKeys;
  }
  return ssh::BackendMode::kAuto;
}

void say_who_cannot_be_asked(const HostConfig& config, const HostPersons& persons) {
  for (const Namespace ns : kNamespaces) {
    const Policy policy = config.approval(ns).policy;
    const std::string why = persons.why_nobody(policy);
    if (why.empty()) continue;
    log::warning("{}.approval.policy is {}, so everything is denied: {}", section_name(ns),
                 policy_name(policy), why);
  }
}

// Whether a yes may be remembered.
bool can_grant(const HostConfig& config, const AskingGate& gate) {
  return std::ranges::any_of(kNamespaces, [&](Namespace ns) {
    const bool asks = gate.may_wait(ns) || (ns == Namespace::kSsh && config.ssh_access.rules.may_ask());
    return asks && config.approval(ns).scope != Scope::kPerRequest;
  });
}

void say_what_is_worth_knowing(const HostConfig& config, AuditLog& audit) {
  for (const ConfigProblem& notice : config.notices) log::warning("{}", notice.format());
  if (config.ssh_approval.omitted) log::warning("{}", omitted_policy_reason(Namespace::kSsh));
  if (config.aws_enabled() && config.aws.approval.omitted)
    log::warning("{}", omitted_policy_reason(Namespace::kAws));
  if (config.docker_enabled() && config.docker.approval.omitted)
    log::warning("{}", omitted_policy_reason(Namespace::kDocker));
  if (!audit.enabled()) {
    log::warning("the audit log is off: logging.enabled is false");
  } else if (const Status status = audit.check(); !status) {
    log::error("audit log: {}; every request is refused until it can be written", status.error().text());
  }
}

ApprovalChannelOptions channel_options(const HostConfig& config) {
  ApprovalChannelOptions options;
  options.approval_timeout = config.approval_timeout;
  for (const Namespace ns : kNamespaces) {
    if (ns != Namespace::kAws || config.aws_enabled()) options.namespaces.push_back(namespace_name(ns));
  }
  options.gate_namespaces = config.gate_namespaces();
  return options;
}

}  // namespace

async::Task<Result<std::unique_ptr<HostAgent>>> HostAgent::start(async::Loop& loop, HostConfig config,
                                                                 HostAgentOptions options) {
  ssh::BackendOptions wanted;
  wanted.mode = backend_mode(config.ssh_mode);
  wanted.agent.socket_path = options.agent_socket;
  wanted.agent.touch_limit = config.approval_timeout;
  wanted.key_directory = options.key_directory;
  auto backend = co_await ssh::choose_backend(loop, wanted);
  if (!backend) co_return propagate(backend, "ssh");
  auto agent = std::make_unique<HostAgent>(loop, std::move(config), std::move(options), std::move(*backend));
  say_what_is_worth_knowing(agent->config_, agent->audit_);
  say_who_cannot_be_asked(agent->config_, agent->persons_);
  agent->say_whether_locks_are_noticed();
  co_await agent->say_when_there_are_no_keys();
  if (const Status opened = agent->open_sockets(); !opened) co_return propagate(opened);
  co_return agent;
}

HostAgent::HostAgent(async::Loop& loop, HostConfig config, HostAgentOptions options,
                     std::unique_ptr<ssh::SshBackend> backend,
                     std::unique_ptr<aws::CredentialBackend> credentials,
                     std::unique_ptr<docker::LoginBackend> logins)
    : loop_(loop),
      config_(std::move(config)),
      options_(std::move(options)),
      started_at_(loop.clock().wall()),
      backend_(std::move(backend)),
      credentials_(std::move(credentials)),
      logins_(std::move(logins)),
      audit_(config_.logging_enabled ? config_.logging_path : ""),
      grants_(loop.clock()),
      channel_(loop, grants_, channel_options(config_)),
      persons_(loop, config_),
      gate_(loop, persons_.with(channel_), grants_,
            {config_.ssh_approval, config_.aws.approval, config_.docker.approval}, config_.approval_timeout),
      subjects_(loop, options_.known_hosts_files, config_.ssh_access.rules.host_names()),
      refusals_(loop, audit_),
      kill_switch_(loop),
      rates_(loop.clock(), config_.limits),
      control_(loop.clock(), audit_, kill_switch_, gate_, credentials_, memories_) {
  if (can_grant(config_, gate_)) screen_lock_ = options_.screen_lock(loop);
  if (!config_.aws_enabled()) {
    credentials_.reset();
  } else if (!credentials_) {
    credentials_ = make_aws_backend(loop);
  }
  if (!logins_) logins_ = make_login_backend(loop, config_.docker);
  audit_.set_observer([this](const AuditRecord& record) { channel_.publish(record); });
  for (const HostServer& server : options_.servers) serve(server);
}

void HostAgent::serve(const HostServer& server) {
  memories_.push_back(std::make_unique<ReplayMemory>(loop_));
  const Clock& clock = loop_.clock();
  const HandlerOptions options{server.name, config_.approval_timeout};
  listen(
      server, Namespace::kSsh,
      std::make_unique<SshHandler>(clock, *backend_, gate_, audit_, subjects_, options, config_.ssh_access));
  if (credentials_) {
    listen(server, Namespace::kAws,
           std::make_unique<AwsHandler>(clock, config_, *credentials_, gate_, audit_, options));
  }
  listen(server, Namespace::kDocker,
         std::make_unique<DockerHandler>(clock, config_, *logins_, gate_, audit_, options));
}

void HostAgent::listen(const HostServer& server, Namespace ns, std::unique_ptr<bus::RequestHandler> handler) {
  // From the inside outwards: what comes again is not counted again, and a paused guest gets no kept answer.
  auto limiter = std::make_unique<RateLimiter>(rates_, refusals_, ns, server.name, std::move(handler));
  auto replay =
      std::make_unique<ReplayGuard>(*memories_.back(), refusals_, ns, server.name, std::move(limiter));
  handlers_.push_back(
      std::make_unique<PauseGuard>(kill_switch_, refusals_, ns, server.name, std::move(replay)));
  const bus::ListenerOptions options{server.url, server.name, server.token, server.tls};
  listeners_.emplace_back(&server, std::make_unique<bus::ListenerClient>(
                                       loop_, options, std::string(namespace_name(ns)), *handlers_.back()));
}

// Only where looking asks nobody: an agent may want a person's consent for its list.
async::Task<> HostAgent::say_when_there_are_no_keys() {
  if (config_.ssh_mode != SshMode::kAuto || backend_->mode() != "local-keys") co_return;
  const auto keys = co_await backend_->list({});
  if (keys && !keys->empty()) co_return;
  log::warning("no SSH agent answers{} and there are no keys in {}: nothing can be signed",
               options_.agent_socket.empty() ? " (SSH_AUTH_SOCK is not set)" : " at " + options_.agent_socket,
               options_.key_directory);
}

void HostAgent::say_whether_locks_are_noticed() const {
  if (!screen_lock_) return;
  const std::string why_not = screen_lock_->why_not();
  if (why_not.empty()) return;
  log::info("grants do not end when the screen is locked: {}; they end by their time and when revoked",
            why_not);
}

Status HostAgent::open_sockets() {
  if (!options_.approval_socket.empty()) {
    if (const Status opened = channel_.listen(options_.approval_socket); !opened)
      return propagate(opened, "approval socket");
    if (!config_.gate_namespaces().empty()) log::info("approvals are asked for at {}", channel_.path());
  }
  if (!options_.control_socket.empty()) {
    auto socket = ControlSocket::open(loop_, options_.control_socket, [this](const ControlRequest& request) {
      return control_.run(request);
    });
    if (!socket) return propagate(socket, "control socket");
    control_socket_ = std::move(*socket);
  }
  if (options_.status_socket.empty()) return {};
  auto socket = StatusSocket::open(loop_, options_.status_socket, [this] { return status(); });
  if (!socket) return propagate(socket, "status socket");
  status_socket_ = std::move(*socket);
  return {};
}

async::Task<> HostAgent::run() {
  async::Scope tasks(loop_);
  for (const auto& [server, listener] : listeners_) tasks.spawn(listener->run());
  if (status_socket_) tasks.spawn(status_socket_->run());
  if (control_socket_) tasks.spawn(control_socket_->run());
  tasks.spawn(channel_.run());
  if (screen_lock_) tasks.spawn(screen_lock_->watch([this] { gate_.end_all("the screen was locked"); }));
  co_await tasks.join();
}

async::Task<bool> HostAgent::connected(Millis limit) {
  const SteadyTime start = loop_.clock().now();
  for (const auto& [server, listener] : listeners_) {
    const auto passed = std::chrono::duration_cast<Millis>(loop_.clock().now() - start);
    auto wait = listener->connected().wait_for(limit - passed);
    const bool there = co_await wait;
    if (!there) co_return false;
  }
  co_return true;
}

StatusDocument HostAgent::status() {
  StatusDocument document;
  document.started_at = started_at_;
  document.config_path = config_.file;
  for (const Namespace ns : kNamespaces) {
    const Policy policy = config_.approval(ns).policy;
    document.policies.emplace_back(namespace_name(ns), policy_name(policy));
    const std::string why = persons_.why_nobody(policy);
    if (!why.empty()) document.nobody_to_ask.emplace_back(namespace_name(ns), why);
  }
  for (const std::string_view ns : config_.gate_namespaces()) document.gate_namespaces.emplace_back(ns);
  document.approval = {channel_.path(), channel_.has_approver(), std::string(channel_.approver_name()),
                       std::string(channel_.approver_version()), grants_.size()};
  document.granted = grants_.list();
  for (const GuestSelection& pause : kill_switch_.pauses())
    document.paused.emplace_back(pause.server, pause.shed);
  for (const HostServer& server : options_.servers) {
    StatusDocument::Server entry{server.name, server.url.origin(), {}};
    for (const auto& [owner, listener] : listeners_) {
      if (owner != &server) continue;
      const bus::ListenerState& state = listener->state();
      entry.listeners.push_back(
          {listener->ns(), std::string(to_text(state.kind)), state.last_error, state.since});
    }
    document.servers.push_back(std::move(entry));
  }
  return document;
}

}  // namespace shed::broker
