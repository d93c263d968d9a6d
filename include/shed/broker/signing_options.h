// What the environment says to the signing proxy. The names, the defaults and the meaning of an empty value
// (as if unset) are those of the existing program; what is ours is marked.
//
//   SSH_AGENT_PROXY_ADDR         HOST:PORT, or (ours) unix:/PATH[:mode=0660]; default 127.0.0.1:7221
//   SSH_AGENT_PROXY_NAMESPACE    of the signatures; default git; (ours) several, apart by commas
//   SSH_AGENT_PROXY_UPSTREAM     the agent's socket, else SSH_AUTH_SOCK
//   SSH_AGENT_PROXY_PUBKEY       the key to sign with, else the one in SSH_AGENT_PROXY_PUBKEY_FILE
//   SSH_AGENT_PROXY_TOKEN_FILE   (ours) tokens that are demanded, see signing_tokens.h
//   SSH_AGENT_PROXY_HOSTS        (ours) further names in the Host header, apart by commas
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/net/address.h"

namespace shed::broker {

inline constexpr std::size_t kMaxSigningNamespaces = 16;
inline constexpr std::size_t kMaxSigningHosts = 64;

struct SigningOptions {
  net::Address address;
  mode_t socket_mode = 0600;             // of a unix socket
  std::vector<std::string> namespaces;   // at least one; the first is for requests that name none
  std::string agent_socket;              // never empty
  std::string public_key;                // lines of an authorized_keys file
  std::string public_key_file;           // empty where public_key is not
  std::string token_file;                // empty: no token is demanded
  std::vector<std::string> known_hosts;  // names that a Host header may have, beside those of signing_host.h
};

// `variable` gives a variable's value, empty for one that is not set. In paths `~` and systemd's `%h` in
// front stand for the home directory: neither is expanded in an EnvironmentFile. Errors name the variable;
// nothing falls back to a default.
Result<SigningOptions> read_signing_options(const std::function<std::string(const char*)>& variable);

}  // namespace shed::broker
