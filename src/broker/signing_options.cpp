#include "shed/broker/signing_options.h"

#include <algorithm>
#include <charconv>

#include "shed/base/file.h"
#include "shed/ssh/sshsig.h"

namespace shed::broker {
namespace {

constexpr std::string_view kDefaultAddress = "127.0.0.1:7221";
constexpr std::string_view kDefaultNamespace = "git";
constexpr std::string_view kMode = ":mode=";

using Variable = std::function<std::string(const char*)>;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = std::min(text.find(','), text.size());
    parts.emplace_back(trimmed(text.substr(0, comma)));
    if (comma == text.size()) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string expand_path(const std::string& path) {
  if (path == "%h" || path.starts_with("%h/")) return home_directory() + path.substr(2);
  return expand_home(path);
}

// Anything but the file's read and write bits is a mistake here.
Result<mode_t> parse_mode(std::string_view digits) {
  mode_t mode = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, 8);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || (mode & 0600) != 0600 || (mode & ~mode_t{0666}) != 0) {
    return fail(Errc::kInvalid, "'{}' is not a mode such as 0600 or 0660", digits);
  }
  return mode;
}

Status read_address(std::string_view text, SigningOptions& options) {
  const auto place = text.rfind(kMode);
  if (text.starts_with("unix:") && place != text.npos) {
    const auto mode = parse_mode(text.substr(place + kMode.size()));
    if (!mode) return propagate(mode);
    options.socket_mode = *mode;
    text = text.substr(0, place);
  }
  auto address = net::parse_address(text);
  if (!address) return propagate(address);
  options.address = std::move(*address);
  return {};
}

Status read_namespaces(std::string_view text, SigningOptions& options) {
  options.namespaces = split_list(text);
  if (options.namespaces.size() > kMaxSigningNamespaces) {
    return fail(Errc::kLimit, "more than {} namespaces", kMaxSigningNamespaces);
  }
  for (const std::string& name : options.namespaces) {
    if (const Status checked = ssh::check_sshsig_namespace(name); !checked) return propagate(checked);
  }
  return {};
}

Status read_hosts(std::string_view text, SigningOptions& options) {
  if (text.empty()) return {};
  options.known_hosts = split_list(text);
  if (options.known_hosts.size() > kMaxSigningHosts) {
    return fail(Errc::kLimit, "more than {} names", kMaxSigningHosts);
  }
  // As a browser writes a Host header; a * or a port would match nothing.
  const auto is_name = [](std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
             c == '-' || c == '_';
    });
  };
  for (const std::string& name : options.known_hosts) {
    if (!is_name(name)) return fail(Errc::kInvalid, "'{}' is not a host name without a port", name);
  }
  return {};
}

std::string value_or(const Variable& variable, const char* name, std::string_view otherwise) {
  std::string value = variable(name);
  return value.empty() ? std::string(otherwise) : value;
}

}  // namespace

Result<SigningOptions> read_signing_options(const Variable& variable) {
  SigningOptions options;
  const auto read = [&](const char* name, std::string_view otherwise, auto reader) -> Status {
    const Status status = reader(value_or(variable, name, otherwise), options);
    return status ? status : Status(propagate(status, name));
  };
  if (const Status s = read("SSH_AGENT_PROXY_ADDR", kDefaultAddress, read_address); !s) return propagate(s);
  if (const Status s = read("SSH_AGENT_PROXY_NAMESPACE", kDefaultNamespace, read_namespaces); !s) {
    return propagate(s);
  }
  if (const Status s = read("SSH_AGENT_PROXY_HOSTS", "", read_hosts); !s) return propagate(s);
  options.agent_socket =
      expand_path(value_or(variable, "SSH_AGENT_PROXY_UPSTREAM", variable("SSH_AUTH_SOCK")));
  if (options.agent_socket.empty()) {
    return fail(Errc::kInvalid, "no agent path: set SSH_AGENT_PROXY_UPSTREAM or SSH_AUTH_SOCK");
  }
  options.public_key = variable("SSH_AGENT_PROXY_PUBKEY");
  if (options.public_key.empty()) {
    options.public_key_file = expand_path(variable("SSH_AGENT_PROXY_PUBKEY_FILE"));
  }
  options.token_file = expand_path(variable("SSH_AGENT_PROXY_TOKEN_FILE"));
  return options;
}

}  // namespace shed::broker
