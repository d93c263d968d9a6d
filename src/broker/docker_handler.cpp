#include "shed/broker/docker_handler.h"

#include "shed/broker/docker_payload.h"
#include "shed/broker/payload.h"
#include "shed/docker/registry_name.h"

namespace shed::broker {
namespace {

constexpr std::string_view kFailed = "credential request failed";
constexpr std::string_view kNotAllowed = "REGISTRY_NOT_ALLOWED";
constexpr std::string_view kNotFound = "CREDENTIALS_NOT_FOUND";
constexpr std::string_view kHelperFailed = "HELPER_FAILED";
constexpr std::string_view kInternal = "INTERNAL_ERROR";
constexpr std::string_view kInvalidUrl = "INVALID_SERVER_URL";
// Of what may be anything: enough to recognise it in the record.
constexpr std::size_t kShownUrl = 256;

docker::AllowList allow_list(const ResolvedDocker& docker) {
  return docker::AllowList(docker.registries, docker.allow_all);
}

}  // namespace

DockerHandler::DockerHandler(const Clock& clock, const HostConfig& config, docker::LoginBackend& logins,
                             ApprovalGate& gate, AuditLog& audit, HandlerOptions options)
    : clock_(clock),
      config_(config),
      logins_(logins),
      gate_(gate),
      audit_(audit),
      options_(std::move(options)),
      limiter_(clock) {}

async::Task<std::string> DockerHandler::handle(bus::IncomingRequest request) {
  JsonDocument document;
  const auto payload = document.parse(request.payload);
  const auto operation = payload ? (*payload)["operation"].string() : std::nullopt;
  if (!operation) co_return invalid_payload();
  if (*operation == "get") {
    std::string server_url((*payload)["server_url"].string_or(""));
    co_return co_await get(request, std::move(server_url));
  }
  if (*operation == "list") co_return co_await list(request);
  if (*operation == "status") co_return status(request);
  if (*operation == "store" || *operation == "erase") {
    co_return error_payload("credentials are read-only here", "READ_ONLY");
  }
  if (*operation != "ping") co_return unknown_operation(*operation);
  co_return ping_answer(docker::CredentialHelper::kLimit +
                        (gate_.may_wait(Namespace::kDocker) ? options_.approval_timeout : Millis(0)));
}

async::Task<std::string> DockerHandler::get(const bus::IncomingRequest& request, std::string server_url) {
  AuditedRequest audited(clock_, audit_, request, Namespace::kDocker, "get", options_.server_name);
  audited.record.detail = server_url.substr(0, kShownUrl);
  std::string answer = co_await get_if_allowed(audited, std::move(server_url));
  co_return audited.finish(std::move(answer), kInternal);
}

async::Task<std::string> DockerHandler::get_if_allowed(AuditedRequest& audited, std::string server_url) {
  AuditRecord& record = audited.record;
  const auto name = docker::parse_registry(server_url);
  if (!name) {
    // What stands in front of an @ may be a password, and the record is for others to read.
    record.detail.clear();
    audited.failed(kInvalidUrl, name.error().text());
    co_return error_payload(kFailed, kInternal, kInvalidUrl, name.error().text());
  }
  // Before the gate: nobody is to be asked about what is not allowed anyway.
  if (!allow_list(config_.docker_for(record.server, record.shed)).allows(*name)) {
    record.result = "denied";
    record.code = kNotAllowed;
    record.reason = fmt::format("{}{}{} is not in docker.registries", name->host,
                                name->path.empty() ? "" : "/", name->path);
    warn(record, name->host, record.reason);
    co_return error_payload(kFailed, kNotAllowed);
  }
  auto asked = audited.decide(gate_, server_url);
  const Decision decision = co_await std::move(asked);
  if (!decision.approved) {
    warn(record, decision.reason_code, "denied: " + decision.reason);
    co_return error_payload("approval denied", kNotAllowed, decision.reason_code, decision.reason);
  }
  auto fetch = logins_.get(std::move(server_url));
  const auto login = co_await std::move(fetch);
  if (!login) co_return refuse(audited, login.error());
  co_return encode_login(**login);
}

std::string DockerHandler::refuse(AuditedRequest& audited, const Error& error) {
  if (error.code() == Errc::kNotFound) {
    audited.record.result = "anonymous";
    audited.record.code = kNotFound;
    return error_payload(kFailed, kNotFound);
  }
  audited.failed(kHelperFailed, error.text());
  warn(audited.record, error.text(), error.text());
  // Which program and which file it was is the owner's business.
  return error_payload(kFailed, kHelperFailed);
}

async::Task<std::string> DockerHandler::list(const bus::IncomingRequest& request) {
  AuditedRequest audited(clock_, audit_, request, Namespace::kDocker, "list", options_.server_name);
  std::string answer = co_await list_allowed(audited);
  co_return audited.finish(std::move(answer), kInternal);
}

async::Task<std::string> DockerHandler::list_allowed(AuditedRequest& audited) {
  AuditRecord& record = audited.record;
  RegistryList allowed;
  // Docker lists before it builds: an error here would break what needs no login at all.
  if (config_.approval(Namespace::kDocker).policy == Policy::kDenyAll) {
    record.detail = "count:0";
    co_return encode_registries(allowed);
  }
  auto listed = logins_.list();
  const auto known = co_await std::move(listed);
  if (!known) {
    audited.failed(kInternal, known.error().text());
    warn(record, known.error().text(), known.error().text());
    co_return error_payload("list failed", kInternal);
  }
  const docker::AllowList list = allow_list(config_.docker_for(record.server, record.shed));
  for (const auto& [registry, user] : *known) {
    const auto name = docker::parse_registry(registry);
    if (name && list.allows(*name)) allowed.emplace(registry, user);
  }
  record.detail = fmt::format("count:{}", allowed.size());
  co_return encode_registries(allowed);
}

void DockerHandler::warn(const AuditRecord& record, std::string_view cause, std::string_view text) {
  const std::string guest = guest_name(record);
  limiter_.warning(fmt::format("{} {}", cause, guest),
                   fmt::format("docker {} for {}: {}", record.op, guest, text));
}

std::string DockerHandler::status(const bus::IncomingRequest& request) const {
  const std::string_view server = server_of(request, options_.server_name);
  const ResolvedDocker docker = config_.docker_for(server, request.shed.name);
  return encode_docker_status(docker.allow_all, docker.registries.size());
}

}  // namespace shed::broker
