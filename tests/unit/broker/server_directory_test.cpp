#include "shed/broker/server_directory.h"

#include <catch2/catch.hpp>

using namespace shed::broker;

namespace {

std::vector<DiscoveredServer> servers_of(std::string_view yaml) {
  auto servers = parse_discovered_servers(yaml, "config.yaml");
  REQUIRE(servers.has_value());
  return std::move(*servers);
}

}  // namespace

TEST_CASE("a server of the directory whose pin has no https is refused before it is used") {
  const auto servers =
      servers_of("servers: { s: { host: h, tls_cert_fingerprint: 'sha256:" + std::string(64, 'A') + "' } }");
  REQUIRE(servers.size() == 1);
  const auto checked = servers[0].check();
  REQUIRE_FALSE(checked.has_value());
  CHECK(checked.error().text() ==
        "tls_cert_fingerprint: the pin would check nothing, since the server's URL is not https://");
}

TEST_CASE("a server of the directory with https and a whole pin is fine") {
  const auto servers = servers_of(
      "servers: { s: { api_url: 'https://h:8443', tls_cert_fingerprint: 'sha256:" + std::string(64, 'A') +
      "' } }");
  CHECK(servers[0].check().has_value());
}

TEST_CASE("a pin that is cut short is refused") {
  CHECK_FALSE(check_tls_pin("https://h", "sha256:AABBcc").has_value());
  CHECK_FALSE(check_tls_pin("https://h", "sha1:" + std::string(64, 'a')).has_value());
  CHECK_FALSE(check_tls_pin("https://h", "sha256:" + std::string(63, 'a') + "g").has_value());
}

TEST_CASE("keys of the directory that are not ours are ignored") {
  const auto servers =
      servers_of("default_server: a\nservers: { a: { host: h, added_at: x, more: [1] } }\nsheds: []\n");
  REQUIRE(servers.size() == 1);
  CHECK(servers[0].url == "http://h:8080");
}

TEST_CASE("a host that is an IPv6 address is put into brackets") {
  CHECK(servers_of("servers: { a: { host: '::1', http_port: 81 } }")[0].url == "http://[::1]:81");
}

TEST_CASE("a port that is none is a problem with its place") {
  const auto servers =
      parse_discovered_servers("servers:\n  a:\n    host: h\n    http_port: 99999\n", "config.yaml");
  REQUIRE_FALSE(servers.has_value());
  CHECK(servers.error()[0].format() ==
        "config.yaml:4:16: servers.a.http_port \"99999\" is not a port number, 1 to 65535");
}

TEST_CASE("a token never stands in a message") {
  const auto servers =
      parse_discovered_servers("servers: { a: { host: h, credentials_token: [tok-secret] } }", "c");
  REQUIRE_FALSE(servers.has_value());
  for (const ConfigProblem& problem : servers.error()) {
    CHECK(problem.format().find("tok-secret") == std::string::npos);
  }
}

TEST_CASE("URLs that a bus can have are accepted") {
  for (const char* url : {"http://localhost", "http://127.0.0.1:8080/", "https://[::1]:8443",
                          "https://h.example/bus", "unix:///run/user/1000/shed-ext/bus.sock"}) {
    INFO(url);
    CHECK(check_server_url(url).has_value());
  }
}

TEST_CASE("URLs that a bus cannot have are refused") {
  for (const char* url : {"", "http://", "http://:80", "http://h:0", "http://h:65536", "http://h:80x",
                          "http://h:", "ftp://h", "unix://", "unix:///", "http://a b", "http://u:p@h",
                          "http://h/?q", "http://[::1", "http://[::1]80", "http://h\n", "HTTP//h"}) {
    INFO(url);
    CHECK_FALSE(check_server_url(url).has_value());
  }
}

TEST_CASE("an empty selector list selects nothing and the default everything") {
  CHECK(ServerSelector().selects("any"));
  CHECK_FALSE(ServerSelector(std::vector<std::string>{}).selects("any"));
}

TEST_CASE("an unreadable directory is one problem that names the file") {
  const auto servers = load_discovered_servers("/nonexistent/config.yaml");
  REQUIRE_FALSE(servers.has_value());
  REQUIRE(servers.error().size() == 1);
  CHECK(servers.error()[0].format().starts_with("/nonexistent/config.yaml: "));
}
