// What stands behind SigningPolicy when the proxy was given a configuration: persons, grants, the approval
// channel and the audit log.
#pragma once

#include <memory>
#include <string>

#include "shed/broker/approval_channel.h"
#include "shed/broker/asking_gate.h"
#include "shed/broker/grants.h"
#include "shed/broker/host_config.h"
#include "shed/broker/host_persons.h"
#include "shed/broker/screen_lock.h"
#include "shed/broker/signing_policy.h"

namespace shed::broker {

class SigningApproval {
 public:
  // Says what is worth knowing of the configuration. The loop must outlive it.
  SigningApproval(async::Loop& loop, HostConfig config);
  SigningApproval(const SigningApproval&) = delete;
  SigningApproval& operator=(const SigningApproval&) = delete;

  // Opens the approval channel at `path`, where the configuration asks anybody over it. The host agent has
  // another one: each asks for its own requests. Errors as ApprovalChannel::listen() has them.
  Status listen(const std::string& path);
  // Serves the channel and notices a locked screen, until the task is dropped.
  async::Task<> run();

  SigningPolicy& policy() { return policy_; }

 private:
  bool asks_over_the_channel() const;
  bool can_grant() const;
  void say_what_is_worth_knowing();

  async::Loop& loop_;
  HostConfig config_;
  AuditLog audit_;
  Grants grants_;
  ApprovalChannel channel_;
  HostPersons persons_;
  AskingGate gate_;
  SigningPolicy policy_;
  std::unique_ptr<ScreenLock> screen_lock_;  // nullptr where nothing can be granted
};

// signing-proxy.sock beside the host agent's.
std::string default_signing_approval_socket();

}  // namespace shed::broker
