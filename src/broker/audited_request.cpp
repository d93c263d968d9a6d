#include "shed/broker/audited_request.h"

#include "shed/base/log.h"
#include "shed/base/secret.h"
#include "shed/broker/payload.h"

namespace shed::broker {

std::string_view server_of(const bus::IncomingRequest& request, std::string_view connection) {
  return connection.empty() ? std::string_view(request.shed.server) : connection;
}

std::string guest_name(const AuditRecord& record) {
  return record.server.empty() ? record.shed : fmt::format("{} on {}", record.shed, record.server);
}

AuditedRequest::AuditedRequest(const Clock& clock, AuditLog& log, const bus::IncomingRequest& request,
                               Namespace ns, std::string_view op, std::string_view server_name)
    : clock_(clock), log_(log), ns_(ns), start_(clock.now()) {
  record.server = server_of(request, server_name);
  record.shed = request.shed.name;
  record.ns = namespace_name(ns);
  record.op = op;
  record.request_id = request.id;
}

ApprovalQuestion AuditedRequest::question(std::string detail) const {
  ApprovalQuestion question;
  question.ns = ns_;
  question.op = record.op;
  question.server = record.server;
  question.shed = record.shed;
  question.detail = std::move(detail);
  question.request_id = record.request_id;
  if (!record.key.empty()) question.key_type = record.detail;
  question.key = record.key;
  question.key_comment = key_comment;
  question.subject = record.subject;
  question.proof = record.proof;
  return question;
}

async::Task<Decision> AuditedRequest::decide(ApprovalGate& gate, std::string detail) {
  auto deciding = gate.decide(question(std::move(detail)));
  Decision decision = co_await std::move(deciding);
  decided(decision);
  co_return decision;
}

async::Task<Decision> AuditedRequest::ask(ApprovalGate& gate, std::string detail) {
  auto asking = gate.ask(question(std::move(detail)));
  Decision decision = co_await std::move(asking);
  decided(decision);
  co_return decision;
}

void AuditedRequest::decided(const Decision& decision) {
  record.approval = decision.method;
  record.decided_by = decision.decided_by;
  record.scope = decision.scope;
  record.ttl = decision.ttl;
  if (!decision.approved) {
    record.result = "denied";
    record.code = decision.reason_code;
    record.reason = decision.reason;
  }
}

void AuditedRequest::failed(std::string_view code, std::string_view reason) {
  record.result = "error";
  record.code = code;
  record.reason = reason;
}

Status AuditedRequest::close() {
  if (record.result.empty()) record.result = "ok";
  record.ts = clock_.wall();
  record.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - start_);
  const Status written = log_.write(record);
  if (written) return {};
  log::error("audit log: {}; {} for {} is refused until it can be written", written.error().text(), record.op,
             record.shed);
  return written;
}

std::string AuditedRequest::finish(std::string answer, std::string_view code) {
  if (close()) return answer;
  // Refused on purpose: what leaves no trace does not leave the host.
  wipe(answer);
  return error_payload("the host's audit log cannot be written", code, "AUDIT_UNAVAILABLE",
                       "the host agent's log has the cause", Retry::kLater);
}

}  // namespace shed::broker
