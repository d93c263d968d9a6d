#include "shed/broker/host_servers.h"

#include <optional>

#include "shed/base/file.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

constexpr std::size_t kMaxToken = 4096;

// What is known of a server, checked. The token is left to the caller.
Result<HostServer> usable_server(const std::string& name, const std::string& url_text,
                                 const std::string& pin) {
  if (!pin.empty()) {
    // Also where the configuration was checked already: a pin is never passed over.
    const Status checked = check_tls_pin(url_text, pin);
    if (!checked) return propagate(checked, "tls_cert_fingerprint");
  }
  auto url = net::parse_url(url_text);
  if (!url) return propagate(url);
  HostServer server{name, std::move(*url), ""};
  if (!server.url.tls) return server;
  auto tls = net::TlsContext::create({.ca_file = "", .pin = pin});
  if (!tls) return propagate(tls);
  server.tls = std::move(*tls);
  return server;
}

Result<HostServer> configured_server(const HostConfig& config) {
  auto server = usable_server("", config.server_url, config.tls_cert_fingerprint);
  if (!server) return propagate(server, "server");
  if (config.token_file.empty()) return server;
  const auto token = read_secret_file(config.token_file, kMaxToken);
  if (!token) return propagate(token, "token_file");
  const std::string_view line = token->reveal();
  server->token = line.substr(0, line.find_first_of("\r\n"));
  return server;
}

// One server that cannot be used leaves the others as they are.
std::optional<HostServer> discovered_server(const DiscoveredServer& found) {
  Result<HostServer> server = usable_server(found.name, found.url, found.tls_fingerprint);
  if (const Status valid = found.check(); !valid) server = propagate(valid);
  if (!server) {
    log::warning("server {}: {}; it is left out", found.name, server.error().text());
    return std::nullopt;
  }
  server->token = found.token.reveal();
  return std::move(*server);
}

}  // namespace

Result<std::vector<HostServer>> servers_of(const HostConfig& config) {
  std::vector<HostServer> servers;
  if (!config.discovery) {
    auto server = configured_server(config);
    if (!server) return propagate(server);
    servers.push_back(std::move(*server));
    return servers;
  }
  const auto known = load_discovered_servers(config.discovery->source);
  if (!known) return fail(Errc::kInvalid, "{}", known.error().front().format());
  for (const DiscoveredServer& found : *known) {
    if (!config.discovery->servers.selects(found.name)) continue;
    if (auto server = discovered_server(found)) servers.push_back(std::move(*server));
  }
  if (servers.empty()) log::warning("discovery: no server of {} is served", config.discovery->source);
  if (config.discovery->watch != Watch::kOff) {
    log::info("discovery: {} is read at start only; restart the host agent after a change",
              config.discovery->source);
  }
  return servers;
}

}  // namespace shed::broker
