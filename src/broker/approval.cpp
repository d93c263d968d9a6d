#include "shed/broker/approval.h"

#include <fmt/format.h>

namespace shed::broker {

const Approval& PolicyGate::approval(Namespace ns) const {
  return ns == Namespace::kSsh ? ssh_ : ns == Namespace::kAws ? aws_ : docker_;
}

async::Task<Decision> PolicyGate::decide(ApprovalQuestion question) {
  const Approval& rule = approval(question.ns);
  Decision decision;
  decision.method = policy_name(rule.policy);
  if (rule.policy == Policy::kApproveAll) {
    decision.approved = true;
    co_return decision;
  }
  decision.reason_code = "POLICY_DENIED";
  if (rule.policy != Policy::kDenyAll) {
    decision.reason = fmt::format("{}.approval.policy is {}, and nobody is there to ask",
                                  section_name(question.ns), policy_name(rule.policy));
  } else if (rule.omitted) {
    decision.reason = omitted_policy_reason(question.ns);
  } else {
    decision.reason = fmt::format("{}.approval.policy is deny-all", section_name(question.ns));
  }
  co_return decision;
}

async::Task<Decision> PolicyGate::ask(ApprovalQuestion) {
  Decision decision;
  decision.method = "none";
  decision.reason_code = "APPROVAL_DENIED";
  decision.reason = "a person has to be asked, and nobody is there to ask";
  co_return decision;
}

}  // namespace shed::broker
