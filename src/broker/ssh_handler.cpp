#include "shed/broker/ssh_handler.h"

#include <algorithm>
#include <utility>

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

// Of a certificate the key's in it.
std::string plain_fingerprint(std::string_view key_blob) {
  return ssh::fingerprint(ssh::plain_key_blob(key_blob));
}

}  // namespace

SshHandler::SshHandler(const Clock& clock, ssh::SshBackend& backend, ApprovalGate& gate, AuditLog& audit,
                       SubjectReader& subjects, HandlerOptions options, SshAccess access)
    : clock_(clock),
      backend_(backend),
      gate_(gate),
      audit_(audit),
      subjects_(subjects),
      options_(std::move(options)),
      access_(std::move(access)) {}

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
  const bool may_wait = gate_.may_wait(Namespace::kSsh) || access_.rules.may_ask() || has_security_keys_;
  if (!may_wait) return std::nullopt;
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
  auto listing = offered_keys(std::move(*binds));
  auto identities = co_await std::move(listing);
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

async::Task<Result<std::vector<ssh::Identity>>> SshHandler::offered_keys(
    std::vector<ssh::SessionBind> binds) {
  auto listing = backend_.list(std::move(binds));
  auto identities = co_await std::move(listing);
  if (!identities || !access_.offer) co_return identities;
  say_which_offers_have_no_key(*identities);
  std::erase_if(*identities, [this](const ssh::Identity& identity) {
    return !access_.offers(plain_fingerprint(identity.key_blob));
  });
  co_return identities;
}

// Once: the keys of an agent come and go, and a mistake is there from the start.
void SshHandler::say_which_offers_have_no_key(const std::vector<ssh::Identity>& identities) {
  if (std::exchange(has_compared_offers_, true)) return;
  for (const std::string& offer : *access_.offer) {
    const bool there = std::ranges::any_of(identities, [&offer](const ssh::Identity& identity) {
      return plain_fingerprint(identity.key_blob) == offer;
    });
    if (!there) log::warning("ssh.offer: {} is the fingerprint of no key that is there now", offer);
  }
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
  const std::string key = plain_fingerprint(decoded->key_blob);
  if (!access_.offers(key)) co_return audited.finish(refuse_key(audited), "SIGN_FAILED");
  const AuditRecord& record = audited.record;
  // Before the request moves: the subject's data are views into it.
  const RuleVerdict verdict = access_.rules.first_match({record.server, record.shed, key, subject});
  auto signing = sign_if_approved(std::move(*decoded), verdict, audited);
  std::string answer = co_await std::move(signing);
  co_return audited.finish(std::move(answer), "SIGN_FAILED");
}

// For whoever decides. Not asked for anew: an agent may want a person's consent for its list.
std::string SshHandler::comment_of(std::string_view key_blob) const {
  const auto known = std::ranges::find(known_keys_, key_blob, &ssh::Identity::key_blob);
  return known == known_keys_.end() ? std::string() : known->comment;
}

// As for a key that is not there, and without a look whether it is: the guest learns nothing of it.
std::string SshHandler::refuse_key(AuditedRequest& audited) const {
  AuditRecord& record = audited.record;
  record.result = "denied";
  record.code = "KEY_NOT_OFFERED";
  record.reason = "the key is not in ssh.offer";
  log::warning("sign with {} for {}: denied: {}", record.key, record.shed, record.reason);
  return error_payload("key not found", "KEY_NOT_FOUND", record.code, record.reason);
}

async::Task<Decision> SshHandler::decide(RuleVerdict verdict, AuditedRequest& audited) {
  constexpr std::string_view kDetail = "SSH sign request";
  if (verdict.rule != nullptr) audited.record.rule = verdict.rule->reference();
  if (verdict.rule == nullptr || verdict.rule->action == RuleAction::kAsk) {
    auto deciding = verdict.rule == nullptr ? audited.decide(gate_, std::string(kDetail))
                                            : audited.ask(gate_, std::string(kDetail));
    Decision decision = co_await std::move(deciding);
    co_return decision;
  }
  Decision decision;
  decision.method = "none";
  decision.approved = verdict.rule->action == RuleAction::kAllow;
  if (!decision.approved) {
    decision.reason_code = "RULE_DENIED";
    decision.reason = access_.rules.denial(verdict, audited.record.subject);
  }
  audited.decided(decision);
  co_return decision;
}

async::Task<std::string> SshHandler::sign_if_approved(ssh::SignRequest request, RuleVerdict verdict,
                                                      AuditedRequest& audited) {
  const AuditRecord& record = audited.record;
  auto deciding = decide(verdict, audited);
  const Decision decision = co_await std::move(deciding);
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
  auto listing = offered_keys({});
  const auto identities = co_await std::move(listing);
  if (!identities) co_return error_payload("key listing failed", "INTERNAL_ERROR");
  co_return encode_ssh_status(backend_.mode(), identities->size());
}

}  // namespace shed::broker
