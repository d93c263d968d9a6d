#include "sts_failure.h"

#include <algorithm>
#include <array>
#include <utility>

#include "failures.h"
#include "http_date.h"
#include "shed/base/redact.h"

namespace shed::aws {
namespace {

using Kind = Failure::Kind;

struct KnownCode {
  std::string_view code;
  Kind kind;
  std::string_view remedy;
};

constexpr std::string_view kExpiredRemedy =
    "the source profile's session credentials are over: refresh them ('aws sso login', or whatever made "
    "them)";
constexpr std::string_view kKeyRemedy =
    "check the source profile's access key; it may be deleted, disabled or of another partition";
constexpr std::string_view kSecretRemedy =
    "the source profile's access key id and secret do not belong together; write both again with 'aws "
    "configure'";
constexpr std::string_view kAccessRemedy =
    "the role's trust policy must name this identity, and the identity must be allowed to assume it (with "
    "tags "
    "sts:TagSession, with a source identity sts:SetSourceIdentity); an external_id must be the one that is "
    "asked "
    "for";
constexpr std::string_view kThrottledRemedy = "it is asked again later";

// The API's common errors and those of AssumeRole (STS API Reference), and the names under which AWS's
// front ends throttle.
constexpr std::array kCodes{
    KnownCode{"AccessDenied", Kind::kRefused, kAccessRemedy},
    KnownCode{"AccessDeniedException", Kind::kRefused, kAccessRemedy},
    KnownCode{"ExpiredToken", Kind::kSource, kExpiredRemedy},
    KnownCode{"ExpiredTokenException", Kind::kSource, kExpiredRemedy},
    KnownCode{"InvalidClientTokenId", Kind::kSource, kKeyRemedy},
    KnownCode{"InvalidAccessKeyId", Kind::kSource, kKeyRemedy},
    KnownCode{"UnrecognizedClientException", Kind::kSource, kKeyRemedy},
    KnownCode{"MissingAuthenticationToken", Kind::kSource, kKeyRemedy},
    KnownCode{"SignatureDoesNotMatch", Kind::kSource, kSecretRemedy},
    KnownCode{"InvalidSignatureException", Kind::kSource, kSecretRemedy},
    KnownCode{
        "ValidationError", Kind::kRefused,
        "check role and session_duration in the aws section; the role's own longest session may be shorter"},
    KnownCode{"MalformedPolicyDocument", Kind::kRefused, "check policy in the aws section"},
    KnownCode{"MalformedPolicyDocumentException", Kind::kRefused, "check policy in the aws section"},
    KnownCode{"PackedPolicyTooLarge", Kind::kRefused,
              "shorten policy, policy_arns or tags in the aws section"},
    KnownCode{"PackedPolicyTooLargeException", Kind::kRefused,
              "shorten policy, policy_arns or tags in the aws section"},
    KnownCode{
        "RegionDisabledException", Kind::kRefused,
        "STS is not activated in this region: activate it in IAM's account settings, or set another region"},
    KnownCode{"Throttling", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"ThrottlingException", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"ThrottledException", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"RequestThrottled", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"RequestThrottledException", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"TooManyRequests", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"TooManyRequestsException", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"RequestLimitExceeded", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"LimitExceededException", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"BandwidthLimitExceeded", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"SlowDown", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"PriorRequestNotComplete", Kind::kThrottled, kThrottledRemedy},
    KnownCode{"IDPCommunicationError", Kind::kUnavailable, kThrottledRemedy},
};

// A code with nothing known about it is judged by the status.
Kind kind_of_status(int status) {
  if (status == 429) return Kind::kThrottled;
  return status >= 500 ? Kind::kUnavailable : Kind::kRefused;
}
std::string_view remedy_of_kind(Kind kind) {
  return kind == Kind::kRefused ? "check the aws section and the role's trust policy" : kThrottledRemedy;
}

bool is_clock_error(const StsError& error) {
  if (error.code == "RequestExpired" || error.code == "RequestInTheFuture") return true;
  return error.message.find("Signature expired") != std::string::npos ||
         error.message.find("not yet current") != std::string::npos;
}

// Whether the message may quote the request with its headers, the session token among them.
bool quotes_request(const StsError& error) {
  return error.code == "SignatureDoesNotMatch" || error.code == "InvalidSignatureException" ||
         error.code == "IncompleteSignature";
}

std::string prefix(const StsCall& call) {
  return fmt::format("sts:AssumeRole {} at {}", call.request.role_arn, call.host);
}

std::string clock_remedy(std::string_view date, WallTime now) {
  const std::string offset = clock_offset(date, now);
  return fmt::format("this machine's clock is {} STS's; set it right (timedatectl set-ntp true)",
                     offset.empty() ? "not in time with" : offset);
}

void strike_out_secrets(std::string& text, const Credentials& source) {
  strike_out(text, source.secret_access_key.reveal());
  strike_out(text, source.session_token.reveal());
}

// A server may send back what it was sent, in any place.
std::optional<StsError> read_error(const StsCall& call, std::string_view body) {
  // Before it is read, because reading cuts long texts and half a token is not found again.
  std::string struck(body);
  strike_out_secrets(struck, call.source);
  auto error = parse_sts_error(struck);
  // And what was written with references for its characters.
  if (error) {
    for (std::string* text : {&error->code, &error->message, &error->request_id}) {
      strike_out_secrets(*text, call.source);
    }
  }
  return error;
}

struct Judgement {
  Kind kind;
  std::string message;  // for the guest
  std::string told;     // what STS says, for the log
  std::string remedy;
};

Judgement judge(const StsCall& call, const StsRefusal& refusal, const StsError& error) {
  const auto known = std::ranges::find(kCodes, error.code, &KnownCode::code);
  const bool is_known = known != kCodes.end();
  const Kind kind = is_known ? known->kind : kind_of_status(refusal.status);
  std::string remedy(is_known ? known->remedy : remedy_of_kind(kind));
  if (is_clock_error(error)) {
    return {Kind::kSource, "STS does not accept the host's time: its clock is off", error.message,
            clock_remedy(refusal.date, refusal.now)};
  }
  if (quotes_request(error)) {
    const std::string told = "the signature is not the one that STS computes";
    return {kind, told, told, std::move(remedy)};
  }
  return {kind, without_account_details(error.message, call.request.role_arn), error.message,
          std::move(remedy)};
}

Judged from_error(const StsCall& call, const StsRefusal& refusal, const StsError& error) {
  Judgement judgement = judge(call, refusal, error);
  if (judgement.message.empty()) judgement.message = error.code;
  if (judgement.told.empty()) judgement.told = "no message";
  std::string detail =
      fmt::format("{}: {} (status {}): {} (request {})", prefix(call), error.code, refusal.status,
                  judgement.told, error.request_id.empty() ? "without id" : error.request_id);
  detail += "; " + judgement.remedy;
  const bool retry = judgement.kind == Kind::kThrottled || judgement.kind == Kind::kUnavailable;
  return {{judgement.kind, error.code, std::move(judgement.message), std::move(detail)}, retry};
}

// Which errors of the connection may be gone a moment later.
bool passes_by(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kNotFound || code == Errc::kTimeout ||
         code == Errc::kClosed || code == Errc::kIo;
}

struct ErrorWords {
  std::string_view code, message, remedy;
};

ErrorWords words_for(Errc code) {
  switch (code) {
    case Errc::kTimeout:
      return {"Timeout", "STS did not answer in time", ""};
    case Errc::kRefused:
      return {"Certificate", "STS's certificate is not accepted",
              "behind a proxy that opens TLS, name its CA in AWS_CA_BUNDLE or in the profile's ca_bundle"};
    case Errc::kProtocol:
    case Errc::kLimit:
      return {"BadAnswer", "STS's answer cannot be read", ""};
    default:
      return {"Unreachable", "STS cannot be reached", "check the network, the region and HTTPS_PROXY"};
  }
}

}  // namespace

std::string clock_offset(std::string_view date, WallTime now) {
  const auto theirs = parse_http_date(date);
  if (!theirs) return {};
  const auto ahead = std::chrono::duration_cast<std::chrono::seconds>(now - *theirs);
  if (ahead == ahead.zero()) return {};
  const auto size = ahead < ahead.zero() ? -ahead : ahead;
  return fmt::format("{} {}", format_duration(size), ahead < ahead.zero() ? "behind" : "ahead of");
}

Judged judge_refusal(const StsCall& call, const StsRefusal& refusal) {
  if (const auto error = read_error(call, refusal.body)) return from_error(call, refusal, *error);
  const Kind kind = kind_of_status(refusal.status);
  Judged judged;
  judged.retry = kind != Kind::kRefused;
  judged.failure = {kind == Kind::kThrottled ? kind : Kind::kUnavailable,
                    kind == Kind::kThrottled ? "Throttling" : "BadAnswer",
                    fmt::format("STS answered with status {}", refusal.status),
                    fmt::format("{}: status {} without an error document; is this address STS?", prefix(call),
                                refusal.status)};
  return judged;
}

Judged judge_error(const StsCall& call, const Error& error) {
  const ErrorWords words = words_for(error.code());
  Judged judged;
  judged.retry = passes_by(error.code());
  judged.failure = {Kind::kUnavailable, std::string(words.code), std::string(words.message),
                    fmt::format("{}: {}", prefix(call), error.text())};
  if (!words.remedy.empty()) judged.failure.detail += fmt::format("; {}", words.remedy);
  return judged;
}

Judged judge_setup(const StsCall& call, const Error& error) {
  return {{Kind::kSource, "SourceProfile", kSourceMessage,
           fmt::format("{}: {}; check AWS_CA_BUNDLE, the profile's ca_bundle and HTTPS_PROXY", prefix(call),
                       error.text())},
          false};
}

Judged judge_garbage(const StsCall& call, const Error& error) {
  return {{Kind::kUnavailable, "BadAnswer", "STS's answer cannot be read",
           fmt::format("{}: {}; is this address STS?", prefix(call), error.text())},
          false};
}

Failure unsendable(const StsCall& call, const Error& error) {
  return {Kind::kRefused, "ValidationError", kConfigurationMessage,
          fmt::format("{}: {}; check the aws section", prefix(call), error.text())};
}

}  // namespace shed::aws
