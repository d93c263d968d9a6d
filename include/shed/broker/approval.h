// The gate: who says yes to a request, and by what right.
#pragma once

#include <string>

#include "shed/async/task.h"
#include "shed/broker/policy.h"

namespace shed::broker {

// What is known about the request that waits for a decision.
struct ApprovalQuestion {
  Namespace ns = Namespace::kSsh;
  std::string op;          // "sign"
  std::string server;      // empty where there is one only
  std::string shed;        // the guest
  std::string detail;      // for a person: "SSH sign request"; the server URL of a registry
  std::string request_id;  // of the request on the bus, as in the audit record
  // Where a key is asked for.
  std::string key_type;
  std::string key;          // fingerprint
  std::string key_comment;  // empty when it is not known
  // As in the audit record: what is signed, or the role.
  std::string subject;
  std::string proof;
};

struct Decision {
  bool approved = false;
  std::string method;      // for the audit record: the policy, or "touchid", "cached"
  std::string decided_by;  // a person, where one was asked
  std::string scope;
  std::string ttl;
  std::string reason;       // why not, with the remedy
  std::string reason_code;  // POLICY_DENIED, APPROVAL_DENIED
};

class ApprovalGate {
 public:
  virtual ~ApprovalGate() = default;
  // May wait for a person; waiting for one answer delays no other. Ends within approval_timeout.
  virtual async::Task<Decision> decide(ApprovalQuestion question) = 0;
  // A person has to say yes, whatever the policy is: a rule wants it so. Ends as decide() does.
  virtual async::Task<Decision> ask(ApprovalQuestion question) = 0;
  // Whether decide() may wait for a person: the guest is told to be patient then.
  virtual bool may_wait(Namespace ns) const = 0;
};

// Decides by the configured policy alone: approve-all and deny-all. Policies that need somebody who
// is not there deny, and say so: fail closed.
class PolicyGate : public ApprovalGate {
 public:
  PolicyGate(Approval ssh, Approval aws, Approval docker) : ssh_(ssh), aws_(aws), docker_(docker) {}
  async::Task<Decision> decide(ApprovalQuestion question) override;
  // Denied: nobody is there.
  async::Task<Decision> ask(ApprovalQuestion question) override;
  bool may_wait(Namespace) const override { return false; }

 protected:
  const Approval& approval(Namespace ns) const;

 private:
  Approval ssh_, aws_, docker_;
};

}  // namespace shed::broker
