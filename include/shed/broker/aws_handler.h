// The host's side of the namespace aws-credentials: decide, fetch, record, answer.
#pragma once

#include <optional>
#include <string>

#include "shed/aws/credential_service.h"
#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

// What the configuration gives this guest; nothing when it has neither a role nor passthrough. The
// guest's own words have no part in it.
std::optional<aws::Grant> grant_for(const HostConfig& config, std::string_view server, std::string_view shed);

// Operations: ping, get_credentials, status (protocol.md section 5). Errors of get_credentials:
//
//   code ROLE_NOT_FOUND      the configuration has nothing for this guest; the host's log has the line
//                            to add, the guest is told no more than that
//   code ASSUME_ROLE_FAILED  "approval denied" with reason_code POLICY_DENIED or APPROVAL_DENIED, and
//                            "credential request failed" with STS's code or ours in reason_code
//                            (AccessDenied, Timeout, SourceProfile, ...) and what the guest may know of
//                            the cause in reason; "retryable":true where it may work later
class AwsHandler : public bus::RequestHandler {
 public:
  // All of them must outlive the handler.
  AwsHandler(const Clock& clock, const HostConfig& config, aws::CredentialBackend& backend,
             ApprovalGate& gate, AuditLog& audit, HandlerOptions options);

  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> get_credentials(const bus::IncomingRequest& request);
  async::Task<std::string> fetch_if_approved(AuditedRequest& audited);
  std::string refuse_without_role(AuditedRequest& audited);
  std::string refuse(AuditedRequest& audited, const aws::Failure& failure);
  std::string status(const bus::IncomingRequest& request) const;
  // One line a minute for each guest and cause: SDKs ask again and again.
  void warn(const AuditRecord& record, std::string_view cause, std::string_view text);

  const Clock& clock_;
  const HostConfig& config_;
  aws::CredentialBackend& backend_;
  ApprovalGate& gate_;
  AuditLog& audit_;
  HandlerOptions options_;
  log::Limiter limiter_;
  JsonDocument document_;
};

}  // namespace shed::broker
