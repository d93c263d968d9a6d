#include "shed/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "shed/async/offload.h"
#include "shed/async/scope.h"
#include "socket_address.h"

namespace shed::net {

const std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::kInvalid, "'{}' is not a port", text);
  }
  return port;
}

Result<std::string> check_socket_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return fail(Errc::kInvalid, "'{}' is not an absolute path", path);
  if (path.find('\0') != path.npos) return fail(Errc::kInvalid, "a socket path has no NUL bytes");
  if (path.size() > kMaxSocketPath) {
    return fail(Errc::kLimit, "{}: the path has {} bytes, a unix socket's may have {}", path, path.size(),
                kMaxSocketPath);
  }
  return std::string(path);
}

// "host:port" or "[v6]:port"; without a port `default_port`, when that is not 0.
Result<Address> parse_host_port(std::string_view text, std::uint16_t default_port) {
  Address address;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return fail(Errc::kInvalid, "'{}' lacks the closing bracket", text);
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    rest = colon == text.npos ? "" : text.substr(colon);
  }
  if (address.host.empty()) return fail(Errc::kInvalid, "'{}' has no host", text);
  if (rest.empty() && default_port != 0) {
    address.port = default_port;
    return address;
  }
  if (!rest.starts_with(':')) return fail(Errc::kInvalid, "'{}' is not of the form HOST:PORT", text);
  const auto port = parse_port(rest.substr(1));
  if (!port) return propagate(port, text);
  address.port = *port;
  return address;
}

Result<Url> parse_unix_url(std::string_view rest) {
  const auto colon = rest.find(":/", 1);
  const auto path = check_socket_path(rest.substr(0, colon));
  if (!path) return propagate(path);
  Url url;
  url.address.unix_path = *path;
  url.path = colon == rest.npos ? "/" : rest.substr(colon + 1);
  url.host_header = "localhost";
  return url;
}

bool has_control_or_space(std::string_view text) {
  for (const unsigned char c : text) {
    if (c <= ' ' || c == 0x7f) return true;
  }
  return false;
}

}  // namespace

bool Address::is_local() const {
  if (is_unix() || host == "localhost") return true;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + unix_path;
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<Address> parse_address(std::string_view text) {
  if (!text.starts_with("unix:")) return parse_host_port(text, 0);
  text.remove_prefix(5);
  if (text.starts_with("//")) text.remove_prefix(2);
  const auto path = check_socket_path(text);
  if (!path) return propagate(path);
  Address address;
  address.unix_path = *path;
  return address;
}

Result<Url> parse_url(std::string_view text) {
  // What goes into a request line or a header must not be able to end it.
  if (has_control_or_space(text)) return fail(Errc::kInvalid, "a URL has no spaces or control characters");
  for (const std::string_view scheme : {"http+unix://", "unix://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto url = parse_unix_url(text.substr(scheme.size()));
    return url ? url : propagate(url, text);
  }
  if (text.starts_with("https://")) return fail(Errc::kUnsupported, "{}: https is not supported here", text);
  constexpr std::string_view kHttp = "http://";
  if (!text.starts_with(kHttp)) {
    return fail(Errc::kInvalid, "'{}' is not a URL that starts with http://, http+unix:// or unix://", text);
  }
  const std::string_view rest = text.substr(kHttp.size());
  const auto slash = rest.find_first_of("/?");
  const auto address = parse_host_port(rest.substr(0, slash), 80);
  if (!address) return propagate(address, text);
  Url url{*address, "/", std::string(rest.substr(0, slash))};
  if (slash != rest.npos)
    url.path = rest[slash] == '/' ? rest.substr(slash) : "/" + std::string(rest.substr(slash));
  return url;
}

SocketAddress unix_socket_address(const std::string& path) {
  SocketAddress result{};
  auto& native = reinterpret_cast<sockaddr_un&>(result.storage);
  native.sun_family = AF_UNIX;
  std::memcpy(native.sun_path, path.c_str(), path.size() + 1);
  result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

Result<SocketAddress> literal_socket_address(const Address& address) {
  const std::string& host = address.host == "localhost" ? "127.0.0.1" : address.host;
  SocketAddress result{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    result.length = sizeof v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    result.length = sizeof v6;
  } else {
    return fail(Errc::kInvalid, "'{}' is not an IP address", address.host);
  }
  return result;
}

namespace {

// At most this many addresses of a name are tried.
constexpr std::size_t kMaxAddresses = 8;

Result<std::vector<SocketAddress>> look_up(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) return fail(Errc::kNotFound, "{}", gai_strerror(error));
  std::vector<SocketAddress> found;
  for (const addrinfo* item = list; item != nullptr && found.size() < kMaxAddresses; item = item->ai_next) {
    SocketAddress entry{};
    std::memcpy(&entry.storage, item->ai_addr, item->ai_addrlen);
    entry.length = item->ai_addrlen;
    found.push_back(entry);
  }
  freeaddrinfo(list);
  return found;
}

async::Task<Result<std::vector<SocketAddress>>> resolve(async::Loop& loop, Address address) {
  if (address.is_unix()) co_return std::vector{unix_socket_address(address.unix_path)};
  if (const auto literal = literal_socket_address(address)) co_return std::vector{*literal};
  co_return co_await async::offload(loop, [address] { return look_up(address); });
}

async::Task<Result<async::Stream>> connect_any(async::Loop& loop, Address address, Millis limit) {
  const auto candidates = co_await resolve(loop, address);
  if (!candidates) co_return propagate(candidates);
  Error last(Errc::kNotFound, "no address");
  for (const SocketAddress& candidate : *candidates) {
    UniqueFd fd(::socket(candidate.storage.ss_family, SOCK_STREAM, 0));
    if (!fd) co_return std::unexpected(system_error(errno));
    if (!address.is_unix()) disable_nagle(fd.get());
    auto connected =
        co_await async::connect_socket(loop, std::move(fd), &candidate.storage, candidate.length, limit);
    if (connected) co_return async::Stream(loop, std::move(*connected));
    last = connected.error();
  }
  co_return std::unexpected(last);
}

}  // namespace

void disable_nagle(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

async::Task<Result<async::Stream>> connect(async::Loop& loop, Address address, Millis limit) {
  const std::string name = address.is_unix() ? address.unix_path : address.text();
  auto stream = co_await async::with_timeout(loop, limit, connect_any(loop, std::move(address), limit));
  if (!stream) co_return propagate(stream, "connect to " + name);
  co_return std::move(*stream);
}

}  // namespace shed::net
