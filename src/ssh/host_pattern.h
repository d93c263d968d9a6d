// Host names against the patterns of known_hosts files (ssh_config(5), "PATTERNS") and hashed names.
#pragma once

#include <string_view>

namespace shed::ssh {

// HMAC-SHA1 with a salt of the hash's size: OpenSSH's hashed names.
inline constexpr std::size_t kHashSize = 20;

char to_lower(char c);

// '*' is any text, '?' any character; letters match in both cases. Takes at most the product of both
// lengths.
bool matches_pattern(std::string_view name, std::string_view pattern);
// Patterns separated by commas: one matches, and none with '!' in front does.
bool matches_pattern_list(std::string_view name, std::string_view list);
// `name` as it was hashed: in lower case. False where the hash cannot be computed.
bool matches_hashed_name(std::string_view name, std::string_view salt, std::string_view hash);

bool is_pattern(std::string_view text);     // has a character with a meaning
bool is_ip_address(std::string_view name);  // with or without brackets and port

// The name without its port: "host" of "[host]:2222". Anything else unchanged.
std::string_view without_port(std::string_view name);

}  // namespace shed::ssh
