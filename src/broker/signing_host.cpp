#include "shed/broker/signing_host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

namespace shed::broker {
namespace {

constexpr std::array<std::string_view, 11> kEngineNames = {
    "host.docker.internal",       "gateway.docker.internal",
    "kubernetes.docker.internal", "docker.for.mac.host.internal",
    "host.containers.internal",   "host.lima.internal",
    "host.orb.internal",          "host.minikube.internal",
    "host.k3d.internal",          "host.rancher-desktop.internal",
    "gateway.containers.internal"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// The text is copied, because it ends nowhere by itself; a NUL in it would end it early.
bool is_literal(int family, std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.find('\0') != text.npos) return false;
  text.copy(copy.data(), text.size());
  in6_addr native{};
  return inet_pton(family, copy.data(), &native) == 1;
}

// Without the port; nothing when what stands behind the name is no port.
std::optional<std::string_view> without_port(std::string_view header) {
  const bool bracketed = header.starts_with('[');
  const auto end = bracketed ? header.find(']') : std::min(header.find(':'), header.size());
  if (end == header.npos) return std::nullopt;
  const std::string_view port = header.substr(bracketed ? end + 1 : end);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!port.empty() && (port.front() != ':' || !std::all_of(port.begin() + 1, port.end(), is_digit))) {
    return std::nullopt;
  }
  return header.substr(0, bracketed ? end + 1 : end);
}

}  // namespace

bool is_signing_host(std::string_view host_header, std::span<const std::string> more) {
  if (host_header.empty()) return true;
  const auto name = without_port(host_header);
  if (!name) return false;
  if (name->starts_with('[')) return is_literal(AF_INET6, name->substr(1, name->size() - 2));
  if (is_literal(AF_INET, *name)) return true;
  constexpr std::string_view kLocal = "localhost";
  if (same(*name, kLocal)) return true;
  // RFC 6761, section 6.3: resolvers and browsers take it for this machine.
  if (name->size() > kLocal.size() + 1 && same(name->substr(name->size() - kLocal.size()), kLocal) &&
      (*name)[name->size() - kLocal.size() - 1] == '.') {
    return true;
  }
  const auto is_name = [&name](std::string_view known) { return same(*name, known); };
  return std::ranges::any_of(kEngineNames, is_name) || std::ranges::any_of(more, is_name);
}

}  // namespace shed::broker
