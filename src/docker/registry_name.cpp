#include "shed/docker/registry_name.h"

#include <algorithm>
#include <array>

namespace shed::docker {
namespace {

constexpr std::array<std::string_view, 5> kDockerHubSpellings{
    "docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"};
constexpr std::size_t kMaxHost = 253 + 6;  // a DNS name, and a port behind it
constexpr std::size_t kMaxLabel = 63;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && lowered(text.substr(0, prefix.size())) == prefix;
}

std::string_view without_scheme(std::string_view name) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (starts_with_ignoring_case(name, scheme)) return name.substr(scheme.size());
  }
  return name;
}

struct Parts {
  std::string_view host;
  std::string_view path;  // behind the slash
};

Parts split(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == name.npos) return {name, {}};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

std::string canonical_host(std::string_view host) {
  std::string result = lowered(host);
  if (std::ranges::find(kDockerHubSpellings, result) != kDockerHubSpellings.end())
    return std::string(kDockerHub);
  return result;
}

// What stands behind the host without the slashes at its ends and without the API's version, however often
// that stands there.
std::string_view repository_path(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  for (;;) {
    while (path.starts_with('/')) path.remove_prefix(1);
    const auto [first, rest] = split(path);
    if (first != "v1" && first != "v2") return path;
    path = rest;
  }
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, is_digit);
}

// "example.com", "localhost:5000", "[::1]:5000"; with `wildcards` a star in a label too.
bool is_host(std::string_view host, bool wildcards) {
  if (host.empty() || host.size() > kMaxHost) return false;
  std::string_view name = host;
  if (const std::size_t colon = host.rfind(':'); colon != host.npos && !host.ends_with(']')) {
    if (!is_port(host.substr(colon + 1))) return false;
    name = host.substr(0, colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
    const auto in_literal = [](char c) {
      return is_digit(c) || c == ':' || c == '.' || (lower(c) >= 'a' && lower(c) <= 'f');
    };
    return !name.empty() && std::ranges::all_of(name, in_literal);
  }
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (label == 0 && c == '-') {
      return false;
    } else if (!is_alphanumeric(c) && c != '-' && c != '_' && !(wildcards && c == '*')) {
      return false;
    } else if (++label > kMaxLabel) {
      return false;
    }
  }
  return label > 0;
}

bool is_path(std::string_view path) {
  const auto allowed = [](char c) {
    return is_alphanumeric(c) || std::string_view("._-/").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(path, allowed) || path.find("//") != path.npos) return false;
  // A path that climbs is compared with none: "my-org/../other" is not below "my-org".
  for (std::string_view rest = path; !rest.empty();) {
    const auto [step, behind] = split(rest);
    if (step == "." || step == "..") return false;
    rest = behind;
  }
  return true;
}

// A star stands for any part of one label, also an empty one beside other characters, but not for a
// label that is not there.
bool label_matches(std::string_view pattern, std::string_view label) {
  if (label.empty()) return pattern.empty();
  std::size_t p = 0, l = 0, star = pattern.npos, resume = 0;
  while (l < label.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = l;
    } else if (p < pattern.size() && pattern[p] == label[l]) {
      ++p, ++l;
    } else if (star != pattern.npos) {
      p = star + 1;
      l = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

std::pair<std::string_view, std::string_view> split_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon == host.npos || host.ends_with(']')) return {host, {}};
  return {host.substr(0, colon), host.substr(colon + 1)};
}

bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern.find('*') == pattern.npos) return pattern == host;
  auto [pattern_name, pattern_port] = split_port(pattern);
  auto [name, port] = split_port(host);
  if (pattern_port != port) return false;
  for (;;) {
    const std::size_t pattern_dot = pattern_name.find('.');
    const std::size_t dot = name.find('.');
    if (!label_matches(pattern_name.substr(0, pattern_dot), name.substr(0, dot))) return false;
    if ((pattern_dot == pattern_name.npos) != (dot == name.npos)) return false;
    if (dot == name.npos) return true;
    pattern_name.remove_prefix(pattern_dot + 1);
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string normalise(std::string_view name) {
  name = without_scheme(name);
  if (name.ends_with('/')) name.remove_suffix(1);
  const auto [host, path] = split(name);
  std::string result = lowered(host);
  if (host.size() < name.size() && path != "v1" && path != "v2") result.append(name.substr(host.size()));
  return result;
}

Result<RegistryName> parse_registry(std::string_view server_url) {
  if (server_url.size() > kMaxServerUrl) {
    return fail(Errc::kLimit, "the server URL has more than {} bytes", kMaxServerUrl);
  }
  if (server_url.empty()) return fail(Errc::kInvalid, "the server URL is empty");
  const auto strange = [](unsigned char c) { return c <= ' ' || c >= 0x7F; };
  if (std::ranges::any_of(server_url, strange)) {
    return fail(Errc::kInvalid, "the server URL has spaces, control or non-ASCII characters in it");
  }
  const std::string_view rest = without_scheme(server_url);
  // Not quoted: what stands in front of the @ may be a password.
  if (rest.find('@') != rest.npos) return fail(Errc::kInvalid, "the server URL has a user name in it");
  if (rest.find("://") != rest.npos)
    return fail(Errc::kInvalid, "'{}' is neither http nor https", server_url);
  const auto [host, path] = split(rest);
  if (!is_host(host, false)) return fail(Errc::kInvalid, "'{}' is not the name of a registry", server_url);
  const std::string_view repository = repository_path(path);
  if (!is_path(repository)) return fail(Errc::kInvalid, "'{}' is not the name of a registry", server_url);
  return RegistryName{canonical_host(host), std::string(repository)};
}

bool lies_below(std::string_view path, std::string_view above) {
  if (above.empty() || path == above) return true;
  return path.starts_with(above) && path[above.size()] == '/';
}

AllowList::AllowList(const std::vector<std::string>& entries, bool allow_all) : allow_all_(allow_all) {
  for (const std::string& text : entries) {
    if (!check_entry(text)) continue;
    const auto [host, path] = split(without_scheme(text));
    entries_.push_back({canonical_host(host), std::string(repository_path(path))});
  }
}

bool AllowList::allows(const RegistryName& name) const {
  if (allow_all_) return true;
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return host_matches(entry.host, name.host) && lies_below(name.path, entry.path);
  });
}

Status check_entry(std::string_view entry) {
  const std::string_view rest = without_scheme(entry);
  const auto [host, path] = split(rest);
  if (entry.size() <= kMaxServerUrl && is_host(host, true) && is_path(repository_path(path))) return {};
  return fail(
      Errc::kInvalid,
      "\"{}\" is not a registry, like ghcr.io, localhost:5000, *.dkr.ecr.*.amazonaws.com or ghcr.io/my-org",
      entry);
}

}  // namespace shed::docker
