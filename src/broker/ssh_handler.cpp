#include "shed/broker/ssh_handler.h"

#include "shed/base/log.h"
#include "shed/broker/payload.h"
#include "shed/broker/ssh_payload.h"

namespace shed::broker {
namespace {

// What the guest is told, and what stands in the record.
struct Refusal {
  std::string_view text;
  std::string_view code;
};

Refusal sign_refusal(const Error& error) {
  switch (error.code()) {
    case Errc::kNotFound:
      return {"key not found", "KEY_NOT_FOUND"};
    default:
      return {"sign operation failed", "SIGN_FAILED"};
  }
}

}  // namespace

SshHandler::SshHandler(const Clock& clock, ssh::SshBackend& backend, ApprovalGate& gate, AuditLog& audit,
                       SshHandlerOptions options)
    : clock_(clock), backend_(backend), gate_(gate), audit_(audit), options_(std::move(options)) {}

async::Task<std::string> SshHandler::handle(bus::IncomingRequest request) {
  JsonDocument document;
  const auto payload = document.parse(request.payload);
  const auto operation = payload ? (*payload)["operation"].string() : std::nullopt;
  if (!operation) co_return invalid_payload();
  if (*operation == "ping") co_return ping_answer(request_limit());
  if (*operation == "list") co_return co_await list(request, *payload);
  if (*operation == "sign") co_return co_await sign(request, *payload);
  if (*operation == "status") co_return co_await status();
  co_return unknown_operation(*operation);
}

// Only when somebody may have to act: otherwise the guest's own, shorter limit is the right one.
std::optional<Millis> SshHandler::request_limit() const {
  if (!gate_.may_wait(Namespace::kSsh) && !has_security_keys_) return std::nullopt;
  return options_.approval_timeout;
}

AuditRecord SshHandler::start_record(const bus::IncomingRequest& request, std::string_view op) const {
  AuditRecord record;
  record.server = request.shed.server.empty() ? options_.server_name : request.shed.server;
  record.shed = request.shed.name;
  record.ns = kSshNamespace;
  record.op = op;
  record.request_id = request.id;
  return record;
}

std::string SshHandler::finish(AuditRecord& record, SteadyTime start, std::string answer,
                               std::string_view code) {
  record.ts = clock_.wall();
  record.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - start);
  const Status written = audit_.write(record);
  if (written) return answer;
  // Refused on purpose: what leaves no trace does not leave the host.
  log::error("audit log: {}; {} for {} is refused until it can be written", written.error().text(), record.op,
             record.shed);
  return error_payload("the host's audit log cannot be written", code, "AUDIT_UNAVAILABLE");
}

async::Task<std::string> SshHandler::list(const bus::IncomingRequest& request, const JsonValue& payload) {
  const SteadyTime start = clock_.now();
  AuditRecord record = start_record(request, "list");
  auto binds = decode_binds(payload);
  if (!binds) {
    record.result = "error";
    record.code = "INTERNAL_ERROR";
    record.reason = binds.error().text();
    co_return finish(record, start, error_payload(binds.error().text(), "INTERNAL_ERROR"), "INTERNAL_ERROR");
  }
  const auto identities = co_await backend_.list(std::move(*binds));
  if (!identities) {
    log::warning("list for {}: {}", request.shed.name, identities.error().text());
    record.result = "error";
    record.code = "INTERNAL_ERROR";
    record.reason = identities.error().text();
    co_return finish(record, start, error_payload("key listing failed", "INTERNAL_ERROR"), "INTERNAL_ERROR");
  }
  has_security_keys_ = false;
  for (const ssh::Identity& identity : *identities) {
    const auto type = ssh::key_type_of(identity.key_blob);
    if (type && ssh::is_security_key_type(*type)) has_security_keys_ = true;
  }
  record.result = "ok";
  record.detail = fmt::format("{} keys", identities->size());
  co_return finish(record, start, encode_keys(*identities), "INTERNAL_ERROR");
}

async::Task<std::string> SshHandler::sign(const bus::IncomingRequest& request, const JsonValue& payload) {
  const SteadyTime start = clock_.now();
  AuditRecord record = start_record(request, "sign");
  auto decoded = decode_sign_request(payload);
  if (!decoded) {
    const std::string_view code =
        decoded.error().code() == Errc::kNotFound ? "KEY_NOT_FOUND" : "INTERNAL_ERROR";
    record.result = "error";
    record.code = code;
    record.reason = decoded.error().text();
    co_return finish(record, start, error_payload(decoded.error().text(), code), "INTERNAL_ERROR");
  }
  record.detail = ssh::key_type_of(decoded->key_blob).value_or("");
  record.key = ssh::fingerprint(decoded->key_blob);
  std::string answer = co_await sign_if_approved(std::move(*decoded), record);
  co_return finish(record, start, std::move(answer), "SIGN_FAILED");
}

async::Task<std::string> SshHandler::sign_if_approved(ssh::SignRequest request, AuditRecord& record) {
  ApprovalQuestion question;
  question.op = "sign";
  question.server = record.server;
  question.shed = record.shed;
  question.detail = "SSH sign request";
  question.key = record.key;
  const Decision decision = co_await gate_.decide(std::move(question));
  record.approval = decision.method;
  record.decided_by = decision.decided_by;
  record.scope = decision.scope;
  record.ttl = decision.ttl;
  if (!decision.approved) {
    log::warning("sign with {} for {}: denied: {}", record.key, record.shed, decision.reason);
    record.result = "denied";
    record.code = decision.reason_code;
    record.reason = decision.reason;
    co_return error_payload("approval denied", "SIGN_FAILED", decision.reason_code, decision.reason);
  }
  const auto signature = co_await backend_.sign(std::move(request));
  if (!signature) {
    const Refusal refusal = sign_refusal(signature.error());
    log::warning("sign with {} for {}: {}", record.key, record.shed, signature.error().text());
    record.result = "error";
    record.code = refusal.code;
    record.reason = signature.error().text();
    co_return error_payload(refusal.text, refusal.code);
  }
  record.result = "ok";
  co_return encode_signature_payload(*signature);
}

async::Task<std::string> SshHandler::status() {
  const auto identities = co_await backend_.list({});
  if (!identities) co_return error_payload("key listing failed", "INTERNAL_ERROR");
  co_return encode_ssh_status(backend_.mode(), identities->size());
}

}  // namespace shed::broker
