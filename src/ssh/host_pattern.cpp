#include "ssh/host_pattern.h"

#include <arpa/inet.h>
#include <openssl/hmac.h>

#include <array>

#include "shed/base/glob.h"
#include "shed/ssh/known_hosts.h"
#include "ssh/openssl.h"

namespace shed::ssh {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool matches_pattern(std::string_view name, std::string_view pattern) {
  return glob_matches(name, pattern, LetterCase::kIgnored);
}

bool matches_pattern_list(std::string_view name, std::string_view list) {
  bool matched = false;
  while (!list.empty()) {
    std::string_view pattern = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), pattern.size() + 1));
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    if (pattern.empty() || !matches_pattern(name, pattern)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

bool matches_hashed_name(std::string_view name, std::string_view salt, std::string_view hash) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> computed{};
  unsigned size = 0;
  if (HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()), as_unsigned(name), name.size(),
           computed.data(), &size) == nullptr) {
    return false;
  }
  return std::string_view(reinterpret_cast<const char*>(computed.data()), size) == hash;
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?!") != text.npos; }

std::string_view without_port(std::string_view name) {
  const auto end = name.rfind("]:");
  if (!name.starts_with('[') || end == name.npos) return name;
  return name.substr(1, end - 1);
}

bool is_ip_address(std::string_view name) {
  const std::string_view host = without_port(name);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (host.size() >= text.size()) return false;
  host.copy(text.data(), host.size());
  std::array<unsigned char, 16> address{};
  return ::inet_pton(AF_INET, text.data(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.data(), address.data()) == 1;
}

}  // namespace shed::ssh
