#include "shed/net/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#ifdef __linux__
#include <linux/vm_sockets.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "socket_address.h"

namespace shed::net {

const std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

bool is_host_name(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::kInvalid, "'{}' is not a port", text);
  }
  return port;
}

// A context id or a port; the highest number stands for "any" and is nobody's.
Result<std::uint32_t> parse_vsock_number(std::string_view text, std::string_view what) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      number == VsockAddress::kAnyCid) {
    return fail(Errc::kInvalid, "'{}' is not a vsock {}", text, what);
  }
  return number;
}

Result<Address> vsock_address(std::string_view text) {
  VsockAddress vsock;
  const auto colon = text.find(':');
  if (colon != text.npos) {
    const auto cid = parse_vsock_number(text.substr(0, colon), "context id");
    if (!cid) return propagate(cid);
    vsock.cid = *cid;
    text.remove_prefix(colon + 1);
  }
  const auto port = parse_vsock_number(text, "port");
  if (!port) return propagate(port);
  vsock.port = *port;
  Address address;
  address.vsock = vsock;
  return address;
}

Status check_socket_path(std::string_view path) {
  if (path.empty()) return fail(Errc::kInvalid, "the path of the socket is empty");
  if (path.find('\0') != path.npos) return fail(Errc::kInvalid, "a socket path has no NUL bytes");
  if (path.size() > kMaxSocketPath) {
    return fail(Errc::kLimit, "the path has {} bytes, a unix socket's may have {}", path.size(),
                kMaxSocketPath);
  }
  return {};
}

Result<Address> unix_address(std::string_view path) {
  if (!path.starts_with('/')) return fail(Errc::kInvalid, "'{}' is not an absolute path", path);
  if (const Status checked = check_socket_path(path); !checked) return propagate(checked, path);
  Address address;
  address.unix_path = path;
  return address;
}

// inet_pton() reads up to a NUL, so a text that has one is no literal.
template <class Native>
bool read_literal(int family, std::string_view text, Native& native) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.find('\0') != text.npos) return false;
  text.copy(copy.data(), text.size());
  return inet_pton(family, copy.data(), &native) == 1;
}

bool is_ipv6_literal(std::string_view text) {
  in6_addr native{};
  return read_literal(AF_INET6, text, native);
}

// "host:port" or "[v6]:port"; without a port `default_port`, when that is not 0.
Result<Address> parse_host_port(std::string_view text, std::uint16_t default_port) {
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == text.npos) return fail(Errc::kInvalid, "'{}' lacks the closing bracket", text);
  const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (host.empty()) return fail(Errc::kInvalid, "'{}' has no host", text);
  if (bracketed ? !is_ipv6_literal(host) : !is_host_name(host)) {
    return fail(Errc::kInvalid, "'{}' is not a host", host);
  }
  const std::string_view rest = text.substr(bracketed ? end + 1 : end);
  Address address{{}, std::string(host), default_port};
  if (rest.empty() && default_port != 0) return address;
  if (!rest.starts_with(':')) return fail(Errc::kInvalid, "'{}' is not of the form HOST:PORT", text);
  const auto port = parse_port(rest.substr(1));
  if (!port) return propagate(port, text);
  address.port = *port;
  return address;
}

// What goes into a request line must not be able to end it. A fragment is for the client itself, and
// nobody who writes one here means what would happen.
Status check_url_path(std::string_view path) {
  const auto is_bad = [](unsigned char c) { return c <= ' ' || c >= 0x7f || c == '#'; };
  if (!std::any_of(path.begin(), path.end(), is_bad)) return {};
  return fail(Errc::kInvalid, "the path of a URL has no spaces, control characters, non-ASCII or '#'");
}

// The socket's path may have spaces: "Application Support" is a common place.
Result<Url> parse_unix_url(std::string_view rest) {
  const auto colon = rest.find(":/");
  auto address = unix_address(rest.substr(0, colon));
  if (!address) return propagate(address);
  Url url{std::move(*address), "/", "localhost"};
  if (colon != rest.npos) url.path = rest.substr(colon + 1);
  if (const Status checked = check_url_path(url.path); !checked) return propagate(checked);
  return url;
}

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

// Signatures over a request cover its Host: both sides must write it alike, and everybody else leaves
// the default port out.
std::string https_host_header(const Address& address) {
  const std::string text = address.text();
  return address.port == kHttpsPort ? text.substr(0, text.rfind(':')) : text;
}

Result<Url> parse_http_url(std::string_view rest, bool tls) {
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  auto address = parse_host_port(rest.substr(0, end), tls ? kHttpsPort : kHttpPort);
  if (!address) return propagate(address);
  if (address->port == 0) return fail(Errc::kInvalid, "nobody can be reached at port 0");
  Url url{std::move(*address), "/", std::string(rest.substr(0, end)), tls};
  if (tls) url.host_header = https_host_header(url.address);
  const std::string_view path = rest.substr(end);
  // "http://host?query" has an empty path, which a request line cannot.
  if (!path.empty()) url.path = path.front() == '/' ? std::string(path) : fmt::format("/{}", path);
  if (const Status checked = check_url_path(url.path); !checked) return propagate(checked);
  return url;
}

}  // namespace

bool Address::is_local() const { return is_unix() || host == "localhost" || is_loopback_literal(host); }

bool is_loopback_literal(std::string_view host) {
  in_addr v4{};
  if (read_literal(AF_INET, host, v4)) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return read_literal(AF_INET6, host, v6) && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<IpLiteral> ip_literal(std::string_view host) {
  IpLiteral literal;
  in_addr v4{};
  if (read_literal(AF_INET, host, v4)) {
    literal.length = sizeof v4;
    std::memcpy(literal.bytes.data(), &v4, sizeof v4);
    return literal;
  }
  in6_addr v6{};
  if (!read_literal(AF_INET6, host, v6)) return std::nullopt;
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
  literal.length = mapped ? sizeof v4 : sizeof v6;
  std::memcpy(literal.bytes.data(), v6.s6_addr + sizeof v6 - literal.length, literal.length);
  return literal;
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + unix_path;
  if (is_vsock()) {
    return vsock->cid == VsockAddress::kAnyCid ? fmt::format("vsock:{}", vsock->port)
                                               : fmt::format("vsock:{}:{}", vsock->cid, vsock->port);
  }
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string Url::origin() const {
  if (address.is_unix()) return "unix://" + address.unix_path;
  return fmt::format("{}://{}", tls ? "https" : "http", address.text());
}

Result<Address> parse_address(std::string_view text) {
  if (!text.starts_with("unix:")) return parse_host_port(text, 0);
  text.remove_prefix(5);
  if (text.starts_with("//")) text.remove_prefix(2);
  return unix_address(text);
}

Result<Address> parse_frame_address(std::string_view text) {
  constexpr std::string_view kVsock = "vsock:";
  if (text.starts_with("unix:")) return parse_address(text);
  if (text.starts_with(kVsock)) {
    auto address = vsock_address(text.substr(kVsock.size()));
    if (!address) return propagate(address, text);
    return address;
  }
  return fail(Errc::kInvalid, "'{}' is neither vsock:CID:PORT nor unix:/PATH", text);
}

Result<Url> parse_url(std::string_view text) {
  Result<Url> url =
      fail(Errc::kInvalid, "not a URL that starts with http://, https://, http+unix:// or unix://");
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  constexpr std::string_view kHttpUnix = "http+unix://";
  constexpr std::string_view kUnix = "unix://";
  if (text.starts_with(kHttp)) {
    url = parse_http_url(text.substr(kHttp.size()), false);
  } else if (text.starts_with(kHttps)) {
    url = parse_http_url(text.substr(kHttps.size()), true);
  } else if (text.starts_with(kHttpUnix)) {
    url = parse_unix_url(text.substr(kHttpUnix.size()));
  } else if (text.starts_with(kUnix)) {
    url = parse_unix_url(text.substr(kUnix.size()));
  }
  if (!url) return propagate(url, text);
  return url;
}

Result<SocketAddress> unix_socket_address(const std::string& path) {
  if (const Status checked = check_socket_path(path); !checked) return propagate(checked);
  SocketAddress result{};
  auto& native = reinterpret_cast<sockaddr_un&>(result.storage);
  native.sun_family = AF_UNIX;
  std::memcpy(native.sun_path, path.c_str(), path.size() + 1);
  result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

Result<SocketAddress> vsock_socket_address(const VsockAddress& address) {
#ifdef __linux__
  static_assert(VsockAddress::kAnyCid == VMADDR_CID_ANY);
  SocketAddress result{};
  auto& native = reinterpret_cast<sockaddr_vm&>(result.storage);
  native.svm_family = AF_VSOCK;
  native.svm_cid = address.cid;
  native.svm_port = address.port;
  result.length = sizeof native;
  return result;
#else
  return fail(Errc::kUnsupported, "this system has no vsock for port {}", address.port);
#endif
}

Result<std::uint32_t> vsock_peer_cid(const async::Stream& stream) {
#ifdef __linux__
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (::getpeername(stream.fd(), reinterpret_cast<sockaddr*>(&peer), &length) != 0) {
    return std::unexpected(system_error(errno));
  }
  if (peer.ss_family != AF_VSOCK || length < sizeof(sockaddr_vm)) {
    return fail(Errc::kInvalid, "the connection is not a vsock");
  }
  return reinterpret_cast<const sockaddr_vm&>(peer).svm_cid;
#else
  return fail(Errc::kUnsupported, "this system has no vsock, and descriptor {} is none", stream.fd());
#endif
}

Result<SocketAddress> literal_socket_address(const Address& address) {
  const std::string_view host = address.host == "localhost" ? "127.0.0.1" : std::string_view(address.host);
  SocketAddress result{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (read_literal(AF_INET, host, v4.sin_addr)) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    result.length = sizeof v4;
  } else if (read_literal(AF_INET6, host, v6.sin6_addr)) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    result.length = sizeof v6;
  } else {
    return fail(Errc::kInvalid, "'{}' is not an IP address", address.host);
  }
  return result;
}

}  // namespace shed::net
