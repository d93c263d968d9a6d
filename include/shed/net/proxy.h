// The proxy that the environment asks for (HTTPS_PROXY, NO_PROXY), as curl, Python and Go read it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "shed/base/file.h"
#include "shed/base/result.h"
#include "shed/base/secret.h"
#include "shed/net/address.h"

namespace shed::net {

// Reached with CONNECT (RFC 9110, section 9.3.6): it sees the host's name and TLS, nothing inside.
struct Proxy {
  Address address;
  bool tls = false;           // https://: TLS with the proxy, and the origin's inside it
  std::string authorization;  // value of Proxy-Authorization, "Basic ..."; empty: no login

  Proxy() = default;
  Proxy(Address where, bool with_tls, std::string login)
      : address(std::move(where)), tls(with_tls), authorization(std::move(login)) {}
  Proxy(const Proxy&) = default;
  Proxy& operator=(const Proxy&) = default;
  ~Proxy() { wipe(authorization); }
};

struct ProxyEnvironment {
  std::string https_proxy;
  std::string no_proxy;

  ProxyEnvironment() = default;
  ProxyEnvironment(std::string proxy, std::string exceptions)
      : https_proxy(std::move(proxy)), no_proxy(std::move(exceptions)) {}
  ProxyEnvironment(const ProxyEnvironment&) = default;
  ProxyEnvironment& operator=(const ProxyEnvironment&) = default;
  ~ProxyEnvironment() { wipe(https_proxy); }  // may hold a password
};

// https_proxy before HTTPS_PROXY, and no_proxy before NO_PROXY, as curl and Python do; one that is
// empty counts as unset.
ProxyEnvironment proxy_environment(const std::function<std::string(const char*)>& variable = environment);

// The proxy for this URL, or none: only https is proxied, and a loopback address or "localhost" never.
//
// https_proxy is "[http://][user:password@]host[:port][/]" (port 80), or with https:// (port 443);
// user and password may be percent-encoded. Errc::kUnsupported for another scheme, kInvalid for what
// cannot be read; no error text holds the user or the password.
//
// no_proxy lists what goes directly, separated by commas or spaces: "*" for everything, a host (which
// stands for its sub-domains as well, with or without a dot in front), an IP literal, a block
// ("10.0.0.0/8", "fd00::/8"), each but the block with ":port" if only that port is meant (IPv6 in
// brackets then). Names are not looked up. Entries that are none of these match nothing.
Result<std::optional<Proxy>> proxy_for(const Url& url, const ProxyEnvironment& environment);

}  // namespace shed::net
