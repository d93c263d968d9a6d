// Decides about signatures that are asked for over HTTP, and records them, as the host agent does for its
// guests: `ssh.offer`, `ssh.rules`, `ssh.approval`, `limits.ssh` and `logging` of extensions.yaml. The
// record's namespace is ssh-agent, its operation sign, and the guest is the container's name.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/rate_limiter.h"
#include "shed/broker/refusal_log.h"
#include "shed/broker/ssh_rules.h"

namespace shed::broker {

class SigningPolicy {
 public:
  // Loop, gate and log must outlive it and its tasks.
  SigningPolicy(async::Loop& loop, ApprovalGate& gate, AuditLog& audit, SshAccess access,
                const Limits& limits = {});

  // Counts a request, `op` being sign or list. Nothing, or why not when the container has made too many; that
  // is recorded, as far as it is not a flood.
  struct TooMany {
    std::string reason;
    std::chrono::seconds again;  // until one more is let in; at least one
  };
  std::optional<TooMany> admit(std::string_view container, std::string_view op);

  // Whether `ssh.offer` has this key, or is absent.
  bool offers(std::string_view key_blob) const;
  // The record of a signature for a container: `data` is what the key would sign.
  AuditedRequest begin(std::string_view container, std::string_view key_blob, std::string_view key_comment,
                       std::string_view data) const;
  // Rules, then the policy; may wait for a person, within the gate's time limit. Errc::kRefused with the
  // reason, which the record has, too. `data` as in begin(); both must stay until the task is done.
  async::Task<Status> decide(AuditedRequest& request, std::string_view key_blob, std::string_view data);

 private:
  bus::IncomingRequest request_of(std::string_view container) const;

  async::Loop& loop_;
  ApprovalGate& gate_;
  AuditLog& audit_;
  SshAccess access_;
  RateTable rates_;
  RefusalLog refusals_;
};

}  // namespace shed::broker
