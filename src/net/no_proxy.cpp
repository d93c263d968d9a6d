#include "no_proxy.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "http_parser.h"
#include "socket_address.h"

namespace shed::net {
namespace {

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool in_block(const IpLiteral& ip, std::string_view block) {
  const std::size_t slash = block.find('/');
  const auto base = ip_literal(block.substr(0, slash));
  const auto bits = number<unsigned>(block.substr(slash + 1));
  if (!base || !bits || base->length != ip.length || *bits > 8 * ip.length) return false;
  for (std::size_t i = 0; i < ip.length; ++i) {
    const unsigned kept = std::clamp<int>(static_cast<int>(*bits) - static_cast<int>(8 * i), 0, 8);
    const unsigned mask = 0xff00U >> kept & 0xffU;
    if ((ip.bytes[i] & mask) != (base->bytes[i] & mask)) return false;
  }
  return true;
}

// Cuts ":port" off an entry, also behind "[v6]". False when the entry is for another port.
bool port_matches(std::string_view& entry, std::uint16_t port) {
  const std::size_t colon = entry.rfind(':');
  if (entry.starts_with('[')) {
    const std::size_t bracket = entry.find(']');
    if (bracket == entry.npos) return false;
    const std::string_view behind = entry.substr(bracket + 1);
    entry = entry.substr(1, bracket - 1);
    return behind.empty() || (behind.front() == ':' && number<std::uint16_t>(behind.substr(1)) == port);
  }
  // Without brackets, several colons make an IPv6 literal.
  if (colon == entry.npos || entry.find(':') != colon) return true;
  const auto wanted = number<std::uint16_t>(entry.substr(colon + 1));
  entry = entry.substr(0, colon);
  return wanted == port;
}

std::string_view without_root_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

// The name itself, and what ends with a dot and the name.
bool name_matches(std::string_view host, std::string_view entry) {
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.empty() || host.size() < entry.size()) return false;
  const std::size_t rest = host.size() - entry.size();
  return same_name(host.substr(rest), entry) && (rest == 0 || host[rest - 1] == '.');
}

bool matches(const Address& address, std::string_view entry) {
  if (entry == "*") return true;
  const auto ip = ip_literal(address.host);
  if (entry.find('/') != entry.npos) return ip && in_block(*ip, entry);
  if (!port_matches(entry, address.port)) return false;
  if (ip) return ip == ip_literal(entry);
  return name_matches(without_root_dot(address.host), without_root_dot(entry));
}

}  // namespace

bool goes_directly(const Address& address, std::string_view no_proxy) {
  constexpr std::string_view kSeparators = ", \t";
  while (!no_proxy.empty()) {
    const std::size_t end = std::min(no_proxy.find_first_of(kSeparators), no_proxy.size());
    if (end > 0 && matches(address, no_proxy.substr(0, end))) return true;
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
  }
  return false;
}

}  // namespace shed::net
