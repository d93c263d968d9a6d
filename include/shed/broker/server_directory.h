// The servers that the shed command knows: its own configuration, read by `discovery` (never
// written). Also the selector that says which of them this host agent serves.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/base/secret.h"
#include "shed/broker/config_problem.h"

namespace shed::broker {

// discovery.servers: everything, or the named ones (an empty list selects nothing).
class ServerSelector {
 public:
  ServerSelector() = default;  // everything
  explicit ServerSelector(std::vector<std::string> names) : all_(false), names_(std::move(names)) {}

  bool all() const { return all_; }
  const std::vector<std::string>& names() const { return names_; }
  bool selects(std::string_view server) const;

 private:
  bool all_ = true;
  std::vector<std::string> names_;
};

struct DiscoveredServer {
  std::string name;
  std::string url;              // api_url, else http://<host>:<http_port, 8080>
  Secret token;                 // credentials_token; empty when there is none
  std::string tls_fingerprint;  // as written; see check()
  std::string ssh_host;
  std::uint16_t ssh_port = 0;  // 0: not given

  // Call before connecting. Errc::kInvalid when the URL is none that a host bus can have, when the
  // pin is not sha256:<64 hex digits>, or when there is a pin and the URL is not https: a pin that
  // nothing checks would be a false promise (protocol.md section 4).
  Status check() const;
};

// Sorted by name. An entry from which no URL can be made (neither api_url nor host) is left out, as
// the shed command does. Keys that are not ours are ignored: the file is not ours either. A text
// without `servers` is an empty directory.
std::expected<std::vector<DiscoveredServer>, ConfigProblems> parse_discovered_servers(
    std::string_view text, std::string_view file_name);
// At most 1 MiB. An unreadable file is one problem that names it.
std::expected<std::vector<DiscoveredServer>, ConfigProblems> load_discovered_servers(const std::string& path);

// http://host[:port][/path], https:// likewise, or unix:///path; nothing about it in an error text
// but what is wrong. User names, queries, fragments and white space are refused.
Status check_server_url(std::string_view url);
// sha256:<64 hex digits>, and the URL is https.
Status check_tls_pin(std::string_view url, std::string_view fingerprint);

}  // namespace shed::broker
