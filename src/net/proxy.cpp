#include "shed/net/proxy.h"

#include "http_parser.h"
#include "no_proxy.h"
#include "shed/base/base64.h"
#include "socket_address.h"

namespace shed::net {
namespace {

// The longest value that anybody has reason to write: a token for a password, and a host.
constexpr std::size_t kMaxProxy = 16 * 1024;

bool is_loopback(const Address& address) {
  if (same_name(address.host, "localhost") || same_name(address.host, "localhost.")) return true;
  const auto ip = ip_literal(address.host);  // knows ::ffff:127.0.0.1
  return (ip && ip->length == 4 && ip->bytes[0] == 127) || is_loopback_literal(address.host);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Appends to `out`, which has the room already: growing would leave pieces of a password behind.
Status append_decoded(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '%') {
      const bool whole = i + 2 < text.size();
      const int high = whole ? hex_value(text[i + 1]) : -1;
      const int low = whole ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(Errc::kInvalid, "'%' in the login is not followed by two hex digits");
      byte = 16 * high + low;
      i += 2;
    }
    if (byte < ' ' || byte == 0x7f) return fail(Errc::kInvalid, "the login holds a control character");
    out.push_back(static_cast<char>(byte));
  }
  return {};
}

// RFC 7617: the user's name ends at the first colon, so it has none.
Result<std::string> basic_authorization(std::string_view login) {
  const std::size_t colon = std::min(login.find(':'), login.size());
  std::string plain;
  plain.reserve(login.size() + 1);
  Status decoded = append_decoded(plain, login.substr(0, colon));
  if (decoded && plain.find(':') != plain.npos) decoded = fail(Errc::kInvalid, "the user's name has a colon");
  plain.push_back(':');
  if (decoded && colon < login.size()) decoded = append_decoded(plain, login.substr(colon + 1));
  std::string encoded;
  if (decoded) {
    encoded.reserve(4 * (plain.size() / 3 + 1) + 8);
    encoded = "Basic ";
    base64_append(encoded, plain);
  }
  wipe(plain);
  if (!decoded) return propagate(decoded);
  return encoded;
}

Result<Proxy> parse_proxy(std::string_view text) {
  if (text.size() > kMaxProxy) return fail(Errc::kLimit, "longer than {} bytes", kMaxProxy);
  bool tls = false;
  if (const std::size_t end = text.find("://"); end != text.npos) {
    const std::string_view scheme = text.substr(0, end);
    tls = same_name(scheme, "https");
    if (!tls && !same_name(scheme, "http")) {
      return fail(Errc::kUnsupported, "only http:// and https:// proxies are supported");
    }
    text.remove_prefix(end + 3);
  }
  // The last one: a password may have an @ that nobody encoded.
  const std::size_t at = text.substr(0, text.find('/')).rfind('@');
  const std::string_view host = at == text.npos ? text : text.substr(at + 1);
  // The error would quote what stands there, which could be half of a password.
  const auto url = parse_url(fmt::format("{}://{}", tls ? "https" : "http", host));
  if (!url || url->path != "/") {
    return fail(Errc::kInvalid, "not of the form http://[user:password@]host:port");
  }
  std::string authorization;
  if (at != text.npos) {
    auto made = basic_authorization(text.substr(0, at));
    if (!made) return propagate(made);
    authorization = std::move(*made);
  }
  return Proxy(url->address, tls, std::move(authorization));
}

std::string first_of(const std::function<std::string(const char*)>& variable, const char* one,
                     const char* other) {
  std::string value = variable(one);
  return value.empty() ? variable(other) : value;
}

}  // namespace

ProxyEnvironment proxy_environment(const std::function<std::string(const char*)>& variable) {
  return {first_of(variable, "https_proxy", "HTTPS_PROXY"), first_of(variable, "no_proxy", "NO_PROXY")};
}

Result<std::optional<Proxy>> proxy_for(const Url& url, const ProxyEnvironment& environment) {
  if (!url.tls || environment.https_proxy.empty()) return std::nullopt;
  if (is_loopback(url.address) || goes_directly(url.address, environment.no_proxy)) return std::nullopt;
  auto proxy = parse_proxy(environment.https_proxy);
  if (!proxy) return propagate(proxy, "HTTPS_PROXY");
  return std::move(*proxy);
}

}  // namespace shed::net
