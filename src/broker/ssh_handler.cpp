#include "shed/broker/ssh_handler.h"

#include <algorithm>

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
                       SubjectReader& subjects, HandlerOptions options)
    : clock_(clock),
      backend_(backend),
      gate_(gate),
      audit_(audit),
      subjects_(subjects),
      options_(std::move(options)) {}

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

AuditedRequest SshHandler::audited(const bus::IncomingRequest& request, std::string_view op) {
  return {clock_, audit_, request, Namespace::kSsh, op, options_.server_name};
}

async::Task<std::string> SshHandler::list(const bus::IncomingRequest& request, const JsonValue& payload) {
  AuditedRequest audited = this->audited(request, "list");
  auto binds = decode_binds(payload);
  if (!binds) {
    audited.failed("INTERNAL_ERROR", binds.error().text());
    co_return audited.finish(error_payload(binds.error().text(), "INTERNAL_ERROR"), "INTERNAL_ERROR");
  }
  auto identities = co_await backend_.list(std::move(*binds));
  if (!identities) {
    log::warning("list for {}: {}", request.shed.name, identities.error().text());
    audited.failed("INTERNAL_ERROR", identities.error().text());
    co_return audited.finish(error_payload("key listing failed", "INTERNAL_ERROR"), "INTERNAL_ERROR");
  }
  has_security_keys_ = false;
  for (const ssh::Identity& identity : *identities) {
    const auto type = ssh::key_type_of(identity.key_blob);
    if (type && ssh::is_security_key_type(*type)) has_security_keys_ = true;
  }
  audited.record.detail = fmt::format("{} keys", identities->size());
  known_keys_ = std::move(*identities);
  co_return audited.finish(encode_keys(known_keys_), "INTERNAL_ERROR");
}

async::Task<std::string> SshHandler::sign(const bus::IncomingRequest& request, const JsonValue& payload) {
  AuditedRequest audited = this->audited(request, "sign");
  auto decoded = decode_sign_request(payload);
  if (!decoded) {
    const std::string_view code =
        decoded.error().code() == Errc::kNotFound ? "KEY_NOT_FOUND" : "INTERNAL_ERROR";
    audited.failed(code, decoded.error().text());
    co_return audited.finish(error_payload(decoded.error().text(), code), "INTERNAL_ERROR");
  }
  audited.record.detail = ssh::key_type_of(decoded->key_blob).value_or("");
  audited.record.key = ssh::fingerprint(decoded->key_blob);
  audited.key_comment = comment_of(decoded->key_blob);
  const SignSubject subject = co_await subjects_.read(*decoded);
  audited.record.subject = subject.text();
  audited.record.proof = subject.proof_text();
  std::string answer = co_await sign_if_approved(std::move(*decoded), audited);
  co_return audited.finish(std::move(answer), "SIGN_FAILED");
}

// For whoever decides. Not asked for anew: an agent may want a person's consent for its list.
std::string SshHandler::comment_of(std::string_view key_blob) const {
  const auto known = std::ranges::find(known_keys_, key_blob, &ssh::Identity::key_blob);
  return known == known_keys_.end() ? std::string() : known->comment;
}

async::Task<std::string> SshHandler::sign_if_approved(ssh::SignRequest request, AuditedRequest& audited) {
  const AuditRecord& record = audited.record;
  const Decision decision = co_await audited.decide(gate_, "SSH sign request");
  if (!decision.approved) {
    log::warning("sign with {} for {}: denied: {}", record.key, record.shed, decision.reason);
    co_return error_payload("approval denied", "SIGN_FAILED", decision.reason_code, decision.reason);
  }
  const auto signature = co_await backend_.sign(std::move(request));
  if (!signature) {
    const Refusal refusal = sign_refusal(signature.error());
    log::warning("sign with {} for {}: {}", record.key, record.shed, signature.error().text());
    audited.failed(refusal.code, signature.error().text());
    co_return error_payload(refusal.text, refusal.code);
  }
  co_return encode_signature_payload(*signature);
}

async::Task<std::string> SshHandler::status() {
  const auto identities = co_await backend_.list({});
  if (!identities) co_return error_payload("key listing failed", "INTERNAL_ERROR");
  co_return encode_ssh_status(backend_.mode(), identities->size());
}

}  // namespace shed::broker
