// The host's side of the namespace ssh-agent: decide, do, record, answer.
#pragma once

#include <memory>
#include <string>

#include "shed/base/json.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/sign_subject.h"
#include "shed/broker/ssh_rules.h"
#include "shed/ssh/backend.h"

namespace shed::broker {

class SshHandler : public bus::RequestHandler {
 public:
  // All but options and access must outlive the handler. The reader of subjects looks up the host names of
  // the rules.
  SshHandler(const Clock& clock, ssh::SshBackend& backend, ApprovalGate& gate, AuditLog& audit,
             SubjectReader& subjects, HandlerOptions options, SshAccess access = {});

  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> list(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign(const bus::IncomingRequest& request, const JsonValue& payload);
  async::Task<std::string> sign_if_approved(ssh::SignRequest request, RuleVerdict verdict,
                                            AuditedRequest& audited);
  async::Task<Decision> decide(RuleVerdict verdict, AuditedRequest& audited);
  std::string refuse_key(AuditedRequest& audited) const;
  async::Task<Result<std::vector<ssh::Identity>>> offered_keys(std::vector<ssh::SessionBind> binds);
  void say_which_offers_have_no_key(const std::vector<ssh::Identity>& identities);
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
  SshAccess access_;
  // As of the last listing.
  std::vector<ssh::Identity> known_keys_;
  bool has_compared_offers_ = false;
  bool has_security_keys_ = false;  // their signatures wait for a touch
};

}  // namespace shed::broker
