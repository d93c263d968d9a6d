#include "shed/broker/aws_handler.h"

#include "shed/aws/profile_files.h"
#include "shed/broker/aws_payload.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

constexpr std::string_view kFailed = "ASSUME_ROLE_FAILED";
constexpr std::string_view kNoRole = "ROLE_NOT_FOUND";

Retry retry_of(aws::Failure::Kind kind) {
  using Kind = aws::Failure::Kind;
  return kind == Kind::kThrottled || kind == Kind::kUnavailable ? Retry::kLater : Retry::kNo;
}

}  // namespace

std::optional<aws::Grant> grant_for(const HostConfig& config, std::string_view server,
                                    std::string_view shed) {
  ResolvedAws aws = config.aws_for(server, shed);
  const bool passthrough = aws.mode == AwsMode::kPassthrough;
  if (!passthrough && aws.role.empty()) return std::nullopt;
  aws::Grant grant;
  grant.server = server;
  grant.shed = shed;
  if (config.aws.source_profile_written) grant.profile = config.aws.source_profile;
  grant.passthrough = passthrough;
  grant.refresh_before = config.aws.cache_refresh_before;
  grant.policy = std::move(aws.policy);
  grant.policy_arns = std::move(aws.policy_arns);
  if (passthrough) return grant;
  grant.role_arn = std::move(aws.role);
  grant.session_duration = aws.session_duration;
  grant.external_id = std::move(aws.external_id);
  grant.source_identity = std::move(aws.source_identity);
  grant.tags = std::move(aws.tags);
  return grant;
}

AwsHandler::AwsHandler(const Clock& clock, const HostConfig& config, aws::CredentialBackend& backend,
                       ApprovalGate& gate, AuditLog& audit, HandlerOptions options)
    : clock_(clock),
      config_(config),
      backend_(backend),
      gate_(gate),
      audit_(audit),
      options_(std::move(options)),
      limiter_(clock) {}

async::Task<std::string> AwsHandler::handle(bus::IncomingRequest request) {
  // Other requests use the document while this one waits: nothing of it is kept.
  const auto payload = document_.parse(request.payload);
  const auto operation = payload ? (*payload)["operation"].string() : std::nullopt;
  if (!operation) co_return invalid_payload();
  if (*operation == "get_credentials") co_return co_await get_credentials(request);
  if (*operation == "status") co_return status(request);
  if (*operation != "ping") co_return unknown_operation(*operation);
  co_return ping_answer(gate_.may_wait(Namespace::kAws) ? std::optional(options_.approval_timeout)
                                                        : std::nullopt);
}

async::Task<std::string> AwsHandler::get_credentials(const bus::IncomingRequest& request) {
  AuditedRequest audited(clock_, audit_, request, Namespace::kAws, "get_credentials", options_.server_name);
  std::string answer = co_await fetch_if_approved(audited);
  co_return audited.finish(std::move(answer), kFailed);
}

async::Task<std::string> AwsHandler::fetch_if_approved(AuditedRequest& audited) {
  AuditRecord& record = audited.record;
  auto grant = grant_for(config_, record.server, record.shed);
  // Before the gate: nobody is to be asked about what there is not.
  if (!grant) co_return refuse_without_role(audited);
  record.subject = grant->passthrough ? "passthrough:" + config_.aws.source_profile : grant->role_arn;
  auto asked = audited.decide(gate_, "AWS credentials request");
  const Decision decision = co_await std::move(asked);
  if (!decision.approved) {
    warn(record, decision.reason_code, "denied: " + decision.reason);
    co_return error_payload("approval denied", kFailed, decision.reason_code, decision.reason);
  }
  auto fetch = backend_.get(std::move(*grant));
  const auto credentials = co_await std::move(fetch);
  if (!credentials) co_return refuse(audited, credentials.error());
  record.detail = aws::expiry_detail((*credentials)->expiration);
  co_return encode_credentials(**credentials);
}

std::string AwsHandler::refuse_without_role(AuditedRequest& audited) {
  const AuditRecord& record = audited.record;
  audited.failed(kNoRole, "no role is configured for this guest");
  warn(record, kNoRole,
       fmt::format("no role is configured: add '{}' to {}", aws_role_line(record.server, record.shed),
                   config_.file.empty() ? "extensions.yaml" : config_.file));
  return error_payload(
      "no role is configured for this guest", kNoRole, kNoRole,
      "its owner can add one to extensions.yaml on the host; the host agent's log has the line");
}

std::string AwsHandler::refuse(AuditedRequest& audited, const aws::Failure& failure) {
  const std::string& told = failure.detail.empty() ? failure.message : failure.detail;
  audited.failed(failure.code, told);
  warn(audited.record, failure.code, told);
  return error_payload("credential request failed", kFailed, failure.code, failure.message,
                       retry_of(failure.kind));
}

void AwsHandler::warn(const AuditRecord& record, std::string_view cause, std::string_view text) {
  const std::string guest = guest_name(record);
  limiter_.warning(fmt::format("{} {}", cause, guest), fmt::format("{} for {}: {}", record.op, guest, text));
}

std::string AwsHandler::status(const bus::IncomingRequest& request) const {
  const std::string_view server = server_of(request, options_.server_name);
  const auto grant = grant_for(config_, server, request.shed.name);
  if (!grant) return encode_aws_status("", std::nullopt);
  return encode_aws_status(grant->passthrough ? "passthrough:" + config_.aws.source_profile : grant->role_arn,
                           backend_.cached_until(*grant));
}

}  // namespace shed::broker
