// The host's side of the namespace ssh-agent: decide, do, record, answer.
#pragma once

#include <memory>
#include <string>

#include "shed/base/json.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/sign_subject.h"
#include "shed/ssh/backend.h"

namespace shed::broker {

class SshHandler : public bus::RequestHandler {
 public:
  // All of them must outlive the handler.
  SshHandler(const Clock& clock, ssh::SshBackend& backend, ApprovalGate& gate, AuditLog& audit,
             SubjectReader& subjects, HandlerOptions options);

  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> list(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign_if_approved(ssh::SignRequest request, AuditedRequest& audited);
  async::Task<std::string> status();
  std::optional<Millis> request_limit() const;
  AuditedRequest audited(const bus::IncomingRequest& request, std::string_view op);
  std::string comment_of(std::string_view key_blob) const;

  const Clock& clock_;
  ssh::SshBackend& backend_;
  ApprovalGate& gate_;
  AuditLog& audit_;
  SubjectReader& subjects_;
  HandlerOptions options_;
  // As of the last listing.
  std::vector<ssh::Identity> known_keys_;
  bool has_security_keys_ = false;  // their signatures wait for a touch
};

}  // namespace shed::broker
