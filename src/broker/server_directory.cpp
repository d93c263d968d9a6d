#include "shed/broker/server_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "broker/config_reader.h"
#include "broker/yaml_tree.h"
#include "shed/base/file.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

namespace {

constexpr std::uint16_t kDefaultHttpPort = 8080;
constexpr std::size_t kMaxUrl = 2048;  // longer than any host name and path; for messages and logs
constexpr std::string_view kPinPrefix = "sha256:";
constexpr std::size_t kPinDigits = 64;

bool hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

Status check_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return fail(Errc::kInvalid, "the port is not a number from 1 to 65535");
  }
  return {};
}

// host, host:port, [v6] or [v6]:port.
Status check_authority(std::string_view authority) {
  std::size_t host_end = authority.find(':');
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return fail(Errc::kInvalid, "'[' without ']' in the host");
    host_end = bracket + 1 < authority.size() ? bracket + 1 : std::string_view::npos;
    if (host_end != std::string_view::npos && authority[host_end] != ':') {
      return fail(Errc::kInvalid, "only a port may stand behind ']'");
    }
  }
  const std::string_view host = authority.substr(0, host_end);
  if (host.empty() || host == "[]") return fail(Errc::kInvalid, "there is no host in it");
  if (host_end == std::string_view::npos) return {};
  return check_port(authority.substr(host_end + 1));
}

std::string make_url(const std::string& api_url, const std::string& host, std::uint16_t port) {
  if (!api_url.empty()) return api_url;
  if (host.empty()) return {};
  const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return bare_v6 ? fmt::format("http://[{}]:{}", host, port) : fmt::format("http://{}:{}", host, port);
}

DiscoveredServer read_server(ConfigReader& reader, const Setting& entry, const std::string& name) {
  const auto text = [&](std::string_view key) { return reader.text(reader.member(entry, key)).value_or(""); };
  const auto port = [&](std::string_view key) { return reader.port(reader.member(entry, key)).value_or(0); };
  DiscoveredServer server;
  server.name = name;
  server.ssh_host = text("host");
  server.ssh_port = port("ssh_port");
  server.tls_fingerprint = text("tls_cert_fingerprint");
  std::string token = text("credentials_token");
  server.token = Secret::take(token);
  const std::uint16_t http_port = port("http_port");
  server.url = make_url(text("api_url"), server.ssh_host, http_port != 0 ? http_port : kDefaultHttpPort);
  return server;
}

std::vector<DiscoveredServer> read_servers(const YamlNode& root, Problems& problems) {
  ConfigReader reader(problems);
  const Setting file{&root, ""};
  std::vector<DiscoveredServer> servers;
  if (!reader.map(file)) return servers;
  const Setting list = reader.member(file, "servers");
  if (!reader.names(list)) return servers;
  for (const YamlKey& key : list.node->keys) {
    const Setting entry = reader.member(list, key.text);
    if (!reader.map(entry)) continue;
    DiscoveredServer server = read_server(reader, entry, key.text);
    if (!server.url.empty()) servers.push_back(std::move(server));
  }
  std::ranges::sort(servers, {}, &DiscoveredServer::name);
  return servers;
}

}  // namespace

bool ServerSelector::selects(std::string_view server) const {
  return all_ || std::ranges::find(names_, server) != names_.end();
}

Status check_server_url(std::string_view url) {
  if (url.size() > kMaxUrl) return fail(Errc::kLimit, "longer than {} bytes", kMaxUrl);
  if (std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; })) {
    return fail(Errc::kInvalid, "white space and control characters have no place in a URL");
  }
  if (url.starts_with("unix://")) {
    if (url.size() > 8 && url[7] == '/') return {};
    return fail(Errc::kInvalid, "a unix socket is written unix:///path/to.sock");
  }
  const std::size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  if (scheme == 0) return fail(Errc::kInvalid, "it must begin with http://, https:// or unix:///");
  if (url.find_first_of("?#") != std::string_view::npos) {
    return fail(Errc::kInvalid, "a query or fragment has no meaning here");
  }
  const std::string_view rest = url.substr(scheme);
  const std::string_view authority = rest.substr(0, rest.find('/'));
  if (authority.find('@') != std::string_view::npos) {
    return fail(Errc::kInvalid, "a user name has no meaning here");
  }
  return check_authority(authority);
}

Status check_tls_pin(std::string_view url, std::string_view fingerprint) {
  const std::string_view digits =
      fingerprint.starts_with(kPinPrefix) ? fingerprint.substr(kPinPrefix.size()) : std::string_view();
  if (digits.size() != kPinDigits || !std::ranges::all_of(digits, hex_digit)) {
    return fail(Errc::kInvalid, "a pin is sha256: and the {} hex digits of the certificate's SHA-256",
                kPinDigits);
  }
  // Refused on purpose: whoever pins a certificate must not talk in the clear without knowing it.
  if (!url.starts_with("https://")) {
    return fail(Errc::kInvalid, "the pin would check nothing, since the server's URL is not https://");
  }
  return {};
}

Status DiscoveredServer::check() const {
  if (auto valid = check_server_url(url); !valid) return propagate(valid, url);
  if (tls_fingerprint.empty()) return {};
  if (auto valid = check_tls_pin(url, tls_fingerprint); !valid)
    return propagate(valid, "tls_cert_fingerprint");
  return {};
}

std::expected<std::vector<DiscoveredServer>, ConfigProblems> parse_discovered_servers(
    std::string_view text, std::string_view file_name) {
  Problems problems(file_name);
  if (text.size() > kMaxConfigBytes) {
    problems.add({}, "larger than 1 MiB");
    return std::unexpected(problems.take());
  }
  YamlNode root = read_yaml(text, problems);
  auto servers = read_servers(root, problems);
  wipe_scalars(root);  // tokens
  if (!problems.empty()) return std::unexpected(problems.take());
  return servers;
}

std::expected<std::vector<DiscoveredServer>, ConfigProblems> load_discovered_servers(
    const std::string& path) {
  auto text = read_secret_file(path, kMaxConfigBytes);
  if (!text) return std::unexpected(ConfigProblems{{path, 0, 0, text.error().text()}});
  return parse_discovered_servers(text->reveal(), path);
}

}  // namespace shed::broker
