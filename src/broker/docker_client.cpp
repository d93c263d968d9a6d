#include "shed/broker/docker_client.h"

#include "shed/base/log.h"
#include "shed/broker/docker_payload.h"
#include "shed/broker/payload.h"
#include "shed/docker/registry_name.h"

namespace shed::broker {
namespace {

constexpr std::string_view kName = "docker-credential-shed";
// The one text that means "go on without a login".
constexpr std::string_view kNotFound = "credentials not found in native keychain";
constexpr std::string_view kStartHost =
    "is shed-host-agent running? start it on the host with: shed-ext host";
constexpr std::size_t kFrame = 64;

// One line, whatever the host or the client has written into its parts.
std::string line(std::string_view object, std::string_view cause) {
  const std::string text =
      object.empty() ? fmt::format("{}: {}", kName, cause) : fmt::format("{}: {}: {}", kName, object, cause);
  return log::printable(text) + "\n";
}

HelperOutcome failed(std::string_view object, std::string_view cause) {
  return {Secret(line(object, cause)), "", 1};
}

HelperOutcome not_found(std::string reason) {
  return {Secret(fmt::format("{}\n", kNotFound)), std::move(reason), 1};
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string host_away(const Error& error) {
  if (error.code() == Errc::kTimeout) {
    return fmt::format("the host does not answer: {}; {}", error.text(), kStartHost);
  }
  return fmt::format("{}; {}", error.text(), kStartHost);
}

std::string explain(const PayloadError& error) {
  if (error.code == "HELPER_FAILED") return "a helper or a login file failed on the host; its log says which";
  return error.describe();
}

HelperOutcome refused(std::string_view registry, const PayloadError& error) {
  if (error.code == "CREDENTIALS_NOT_FOUND") return not_found("");
  if (error.code != "REGISTRY_NOT_ALLOWED") return failed(registry, explain(error));
  if (error.text == "approval denied" || !error.reason_code.empty()) {
    return not_found(line(registry, error.describe()));
  }
  return not_found(
      line(registry, "not in the host's allow-list; add it to docker.registries in extensions.yaml"));
}

Secret login_document(std::string_view server_url, const LoginView& login) {
  std::string document;
  document.reserve(6 * (server_url.size() + login.username.size() + login.secret.size()) + kFrame);
  JsonWriter(document)
      .begin_object()
      .field("ServerURL", server_url)
      .field("Username", login.username)
      .field("Secret", login.secret)
      .end_object();
  document += '\n';
  return Secret::take(document);
}

}  // namespace

DockerClient::DockerClient(async::Loop& loop, bus::Publisher& publisher)
    : host_(loop, publisher, kDockerNamespace, kRequestLimit) {}

async::Task<HelperOutcome> DockerClient::run(std::string verb, Secret input) {
  if (verb == "get") co_return co_await get(std::move(input));
  if (verb == "list") co_return co_await list();
  if (verb == "store" || verb == "erase") {
    co_return failed("", fmt::format("{}: logins are read-only here: change them on the host", verb));
  }
  co_return failed("", fmt::format("unknown command '{}': get, list, store, erase, version", verb));
}

async::Task<HelperOutcome> DockerClient::get(Secret input) {
  const std::string_view server_url = trimmed(input.reveal());
  // The host checks it as well; a mistake is told without asking.
  const auto name = docker::parse_registry(server_url);
  if (!name) co_return failed("", name.error().text());
  const std::string request = encode_docker_get(server_url);
  auto reply = co_await host_.ask(request);
  if (!reply) co_return failed(server_url, host_away(reply.error()));
  JsonDocument document;
  const auto payload = document.parse_padded(reply->payload());
  HelperOutcome outcome;
  if (!payload) {
    outcome = failed(server_url, payload.error().text());
  } else if (const auto error = error_in(*payload)) {
    outcome = refused(server_url, *error);
  } else if (const auto login = decode_login(*payload)) {
    outcome.out = login_document(server_url, *login);
  } else {
    outcome = failed(server_url, login.error().text());
  }
  document.wipe();
  reply->wipe();
  co_return outcome;
}

async::Task<HelperOutcome> DockerClient::list() {
  const auto reply = co_await host_.ask(kDockerListRequest);
  if (!reply) co_return failed("list", host_away(reply.error()));
  JsonDocument document;
  const auto payload = document.parse_padded(reply->payload());
  if (!payload) co_return failed("list", payload.error().text());
  if (const auto error = error_in(*payload)) co_return failed("list", explain(*error));
  const auto registries = decode_registries(*payload);
  if (!registries) co_return failed("list", registries.error().text());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [registry, user] : *registries) json.field(registry, user);
  json.end_object();
  text += '\n';
  co_return HelperOutcome{Secret::take(text), "", 0};
}

}  // namespace shed::broker
