#include "shed/broker/signing_policy.h"

#include "shed/base/uuid.h"
#include "shed/broker/sign_subject.h"
#include "shed/ssh/types.h"

namespace shed::broker {
namespace {

constexpr std::string_view kQuestion = "HTTP sign request";

// What is signed here is never a login, so that no host has to be looked up.
SignSubject subject_of(std::string_view data, std::string_view key_blob) {
  SignSubject subject;
  subject.data = ssh::read_signed_data(data, key_blob);
  return subject;
}

std::string plain_fingerprint(std::string_view key_blob) {
  return ssh::fingerprint(ssh::plain_key_blob(key_blob));
}

}  // namespace

SigningPolicy::SigningPolicy(async::Loop& loop, ApprovalGate& gate, AuditLog& audit, SshAccess access,
                             const Limits& limits)
    : loop_(loop),
      gate_(gate),
      audit_(audit),
      access_(std::move(access)),
      rates_(loop.clock(), limits),
      refusals_(loop, audit) {}

std::optional<SigningPolicy::TooMany> SigningPolicy::admit(std::string_view container, std::string_view op) {
  const auto wait = rates_.take("", container, RateTable::Kind::kSsh);
  if (!wait) return std::nullopt;
  const auto again = std::chrono::ceil<std::chrono::seconds>(*wait);
  std::string reason = fmt::format(
      "too many requests of this container, again in {} s; limits.ssh in extensions.yaml", again.count());
  refusals_.add(request_of(container), {Namespace::kSsh, op, "", "RATE_LIMITED", reason});
  return TooMany{std::move(reason), again};
}

// As one that had come over the bus.
bus::IncomingRequest SigningPolicy::request_of(std::string_view container) const {
  bus::IncomingRequest request;
  request.id = make_uuid7(loop_.clock().wall()).view();
  request.shed.name = container;
  return request;
}

bool SigningPolicy::offers(std::string_view key_blob) const {
  return access_.offers(plain_fingerprint(key_blob));
}

AuditedRequest SigningPolicy::begin(std::string_view container, std::string_view key_blob,
                                    std::string_view key_comment, std::string_view data) const {
  AuditedRequest audited(loop_.clock(), audit_, request_of(container), Namespace::kSsh, "sign", "");
  audited.record.detail = ssh::key_type_of(key_blob).value_or("");
  audited.record.key = ssh::fingerprint(key_blob);
  audited.key_comment = key_comment;
  audited.record.subject = subject_of(data, key_blob).text();
  return audited;
}

async::Task<Status> SigningPolicy::decide(AuditedRequest& request, std::string_view key_blob,
                                          std::string_view data) {
  const SignSubject subject = subject_of(data, key_blob);
  const std::string key = plain_fingerprint(key_blob);
  const RuleVerdict verdict = access_.rules.first_match({"", request.record.shed, key, subject});
  if (verdict.rule != nullptr) request.record.rule = verdict.rule->reference();
  Decision decision;
  if (verdict.rule == nullptr || verdict.rule->action == RuleAction::kAsk) {
    auto deciding = verdict.rule == nullptr ? request.decide(gate_, std::string(kQuestion))
                                            : request.ask(gate_, std::string(kQuestion));
    decision = co_await std::move(deciding);
  } else {
    decision.method = "none";
    decision.approved = verdict.rule->action == RuleAction::kAllow;
    if (!decision.approved) {
      decision.reason_code = "RULE_DENIED";
      decision.reason = access_.rules.denial(verdict, request.record.subject);
    }
    request.decided(decision);
  }
  if (!decision.approved) co_return fail(Errc::kRefused, "{}", decision.reason);
  co_return Status{};
}

}  // namespace shed::broker
