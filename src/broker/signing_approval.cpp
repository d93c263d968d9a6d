#include "shed/broker/signing_approval.h"

#include <algorithm>

#include "shed/base/log.h"
#include "shed/broker/status_socket.h"

namespace shed::broker {
namespace {

bool asks(const HostConfig& config) {
  const auto asking = config.gate_namespaces();
  return std::ranges::find(asking, namespace_name(Namespace::kSsh)) != asking.end();
}

ApprovalChannelOptions channel_options(const HostConfig& config) {
  ApprovalChannelOptions options;
  options.approval_timeout = config.approval_timeout;
  options.namespaces = {namespace_name(Namespace::kSsh)};
  if (asks(config)) options.gate_namespaces = options.namespaces;
  return options;
}

}  // namespace

SigningApproval::SigningApproval(async::Loop& loop, HostConfig config)
    : loop_(loop),
      config_(std::move(config)),
      audit_(config_.logging_enabled ? config_.logging_path : ""),
      grants_(loop.clock()),
      channel_(loop, grants_, channel_options(config_)),
      persons_(loop, config_),
      gate_(loop, persons_.with(channel_), grants_, {config_.ssh_approval, {}, {}}, config_.approval_timeout),
      policy_(loop, gate_, audit_, config_.ssh_access, config_.limits) {
  audit_.set_observer([this](const AuditRecord& record) { channel_.publish(record); });
  if (can_grant()) screen_lock_ = make_screen_lock(loop);
  say_what_is_worth_knowing();
}

bool SigningApproval::asks_over_the_channel() const { return asks(config_); }

bool SigningApproval::can_grant() const {
  const bool may_ask = gate_.may_wait(Namespace::kSsh) || config_.ssh_access.rules.may_ask();
  return may_ask && config_.ssh_approval.scope != Scope::kPerRequest;
}

void SigningApproval::say_what_is_worth_knowing() {
  for (const ConfigProblem& notice : config_.notices) log::warning("{}", notice.format());
  if (config_.ssh_approval.omitted) log::warning("{}", omitted_policy_reason(Namespace::kSsh));
  const Policy policy = config_.ssh_approval.policy;
  const std::string why = persons_.why_nobody(policy);
  if (!why.empty()) {
    log::warning("ssh.approval.policy is {}, so everything is denied: {}", policy_name(policy), why);
  }
  if (!audit_.enabled()) {
    log::warning("the audit log is off: logging.enabled is false");
  } else if (const Status status = audit_.check(); !status) {
    log::error("audit log: {}; every request is refused until it can be written", status.error().text());
  }
}

Status SigningApproval::listen(const std::string& path) {
  if (!asks_over_the_channel()) return {};
  if (const Status opened = channel_.listen(path); !opened) return propagate(opened, "approval socket");
  log::info("approvals are asked for at {}: {}", channel_.path(), approve_command(channel_.path()));
  return {};
}

async::Task<> SigningApproval::run() {
  async::Scope tasks(loop_);
  if (!channel_.path().empty()) tasks.spawn(channel_.run());
  if (screen_lock_) tasks.spawn(screen_lock_->watch([this] { gate_.end_all("the screen was locked"); }));
  async::Event never(loop_);
  auto wait = never.wait();
  co_await wait;
}

std::string default_signing_approval_socket() {
  return host_agent_socket_directory() + "/signing-proxy.sock";
}

}  // namespace shed::broker
