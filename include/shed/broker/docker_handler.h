// The host's side of the namespace docker-credentials: decide, look up, record, answer.
#pragma once

#include <string>

#include "shed/base/log.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/host_config.h"
#include "shed/docker/login_store.h"

namespace shed::broker {

// Operations: ping, get, list, status (protocol.md section 5). Errors of get, all with the text
// "credential request failed" but for a denial:
//
//   code REGISTRY_NOT_ALLOWED    the registry is not on the guest's allow-list; nobody is asked, no
//                                helper runs. Also "approval denied", with reason_code POLICY_DENIED
//                                or APPROVAL_DENIED
//   code CREDENTIALS_NOT_FOUND   nothing is stored: recorded as `anonymous`, for that is what the pull is
//   code HELPER_FAILED           a helper or a config file failed; which one stands in the host's log
//   code INTERNAL_ERROR          no server URL that could be one (reason_code INVALID_SERVER_URL)
//
// store and erase are refused: READ_ONLY. A list holds allowed registries only; under deny-all it is
// empty.
class DockerHandler : public bus::RequestHandler {
 public:
  // All of them must outlive the handler.
  DockerHandler(const Clock& clock, const HostConfig& config, docker::LoginBackend& logins,
                ApprovalGate& gate, AuditLog& audit, HandlerOptions options);

  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> get(const bus::IncomingRequest& request, std::string server_url);
  async::Task<std::string> get_if_allowed(AuditedRequest& audited, std::string server_url);
  std::string refuse(AuditedRequest& audited, const Error& error);
  async::Task<std::string> list(const bus::IncomingRequest& request);
  async::Task<std::string> list_allowed(AuditedRequest& audited);
  std::string status(const bus::IncomingRequest& request) const;
  // One line a minute for each guest and cause: clients ask again and again.
  void warn(const AuditRecord& record, std::string_view cause, std::string_view text);

  const Clock& clock_;
  const HostConfig& config_;
  docker::LoginBackend& logins_;
  ApprovalGate& gate_;
  AuditLog& audit_;
  HandlerOptions options_;
  log::Limiter limiter_;
};

}  // namespace shed::broker
