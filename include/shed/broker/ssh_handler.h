// The host's side of the namespace ssh-agent: decide, do, record, answer.
#pragma once

#include <memory>
#include <string>

#include "shed/base/json.h"
#include "shed/broker/approval.h"
#include "shed/broker/audit_log.h"
#include "shed/bus/listener_client.h"
#include "shed/ssh/backend.h"

namespace shed::broker {

struct SshHandlerOptions {
  std::string server_name;  // for requests that do not say which server they came through
  Millis approval_timeout{25'000};
};

class SshHandler : public bus::RequestHandler {
 public:
  // All of them must outlive the handler.
  SshHandler(const Clock& clock, ssh::SshBackend& backend, ApprovalGate& gate, AuditLog& audit,
             SshHandlerOptions options);

  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> list(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign_if_approved(ssh::SignRequest request, AuditRecord& record);
  async::Task<std::string> status();
  std::optional<Millis> request_limit() const;

  AuditRecord start_record(const bus::IncomingRequest& request, std::string_view op) const;
  // The answer, once the record of it is written; else the refusal.
  std::string finish(AuditRecord& record, SteadyTime start, std::string answer, std::string_view code);

  const Clock& clock_;
  ssh::SshBackend& backend_;
  ApprovalGate& gate_;
  AuditLog& audit_;
  SshHandlerOptions options_;
  bool has_security_keys_ = false;  // as of the last listing: their signatures wait for a touch
};

}  // namespace shed::broker
