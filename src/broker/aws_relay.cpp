#include "shed/broker/aws_relay.h"

#include <utility>

#include "shed/base/log.h"

namespace shed::broker {
namespace {

constexpr std::string_view kStartHost =
    "start the host agent on the host with: shed-ext host (it serves AWS where extensions.yaml has a role)";

CredentialRefusal away(const Error& error) {
  CredentialRefusal refusal{503, "HOST_UNAVAILABLE", "the host agent does not answer", error.text(),
                            std::string(kStartHost)};
  if (error.code() == Errc::kTimeout) {
    refusal.code = "TIMEOUT";
    // Existing operators look for this line.
    refusal.message =
        "aws-credentials get_credentials request timed out — shed-host-agent may not be running";
  }
  return refusal;
}

// It will have them when it is asked again: what it fetches it keeps.
CredentialRefusal slow() {
  return {503, "TIMEOUT", "the host agent has no credentials yet",
          "aws-credentials get_credentials request timed out: the host agent is still fetching them",
          "ask again; the host agent's log says what takes so long"};
}

CredentialRefusal bad_answer(std::string_view cause) {
  return {503, "BAD_ANSWER", "the host's answer cannot be used", std::string(cause), ""};
}

// Existing hosts have no reason_code, but this text.
bool is_denial(const PayloadError& error) {
  return error.reason_code == "POLICY_DENIED" || error.reason_code == "APPROVAL_DENIED" ||
         error.text == "approval denied";
}

}  // namespace

VendedCredentials::VendedCredentials(bus::Publisher::Reply reply, JsonDocument document,
                                     const CredentialsView& view)
    : reply_(std::move(reply)), document_(std::move(document)), view_(view) {}

VendedCredentials::VendedCredentials(VendedCredentials&& other) noexcept
    : reply_(std::move(other.reply_)), document_(std::move(other.document_)), view_(other.view_) {
  other.reply_.reset();
  other.view_ = {};
}

VendedCredentials::~VendedCredentials() {
  if (!reply_) return;
  document_.wipe();
  reply_->wipe();
}

std::string CredentialRefusal::text() const {
  return fmt::format("{} ({}){}{}", message, code, hint.empty() ? "" : "; ", hint);
}

async::Task<CredentialAnswer> AwsRelay::get() {
  if (denial_ && loop_.clock().now() < denied_until_) co_return std::unexpected(*denial_);
  denial_.reset();
  auto reply = co_await host_.ask(kGetCredentialsRequest);
  if (!reply && reply.error().code() == Errc::kTimeout && host_.host_answers()) {
    co_return std::unexpected(slow());
  }
  if (!reply) co_return std::unexpected(away(reply.error()));
  co_return read(std::move(*reply));
}

async::Task<> AwsRelay::greet() {
  const Status status = co_await host_.ping();
  if (!status) log::warning("the host agent does not answer: {}; {}", status.error().text(), kStartHost);
}

CredentialAnswer AwsRelay::read(bus::Publisher::Reply reply) {
  JsonDocument document;
  const auto payload = document.parse_padded(reply.payload());
  std::optional<CredentialRefusal> refused;
  CredentialsView view;
  if (!payload) {
    refused = bad_answer(payload.error().text());
  } else if (const auto error = error_in(*payload)) {
    refused = refusal(*error);
  } else {
    refused = read_credentials(*payload, view);
  }
  VendedCredentials vended(std::move(reply), std::move(document), view);  // wiped, whatever comes of it
  if (refused) return std::unexpected(std::move(*refused));
  return vended;
}

std::optional<CredentialRefusal> AwsRelay::read_credentials(const JsonValue& payload,
                                                            CredentialsView& view) const {
  const auto read = decode_credentials(payload);
  if (!read) return bad_answer(read.error().text());
  view = *read;
  const WallTime now = loop_.clock().wall();
  if (!view.expiration) view.expiration = now + kAssumedLife;
  if (*view.expiration > now) return std::nullopt;
  return CredentialRefusal{503, "EXPIRED", "the host's credentials have expired",
                           fmt::format("the host's credentials have expired at {}, and it is {}",
                                       format_rfc3339(*view.expiration), format_rfc3339(now)),
                           "is the clock of the guest or of the host off?"};
}

CredentialRefusal AwsRelay::refusal(const PayloadError& error) {
  CredentialRefusal refusal;
  // A host that cannot do its work, or a bus that has too much of it, is no refusal of this guest.
  const bool later = error.retryable || error.code == "INTERNAL_ERROR";
  // Clients that show why show it for a 4xx only, and some ask a 5xx again at once.
  const bool too_often = error.retryable && error.reason_code == "RATE_LIMITED";
  refusal.status = too_often ? 429 : later ? 503 : 403;
  if (error.retryable) refusal.retry_after = error.retry_after;
  refusal.code = error.reason_code.empty() ? error.code : error.reason_code;
  refusal.error = error.text;
  refusal.message = error.reason.empty() ? error.text : fmt::format("{}: {}", error.text, error.reason);
  if (is_denial(error)) {
    denial_ = refusal;
    denied_until_ = loop_.clock().now() + kDenialMemory;
  }
  return refusal;
}

}  // namespace shed::broker
