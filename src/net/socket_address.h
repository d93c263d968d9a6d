// The system's form of an address.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>

#include "shed/net/address.h"

namespace shed::net {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length;
};

// Errc::kLimit for a path that is too long (it is never cut), kInvalid for one that is empty or has
// NUL bytes. Addresses are also made without parse_address().
Result<SocketAddress> unix_socket_address(const std::string& path);
// Errc::kUnsupported where the system has none.
Result<SocketAddress> vsock_socket_address(const VsockAddress& address);
// For IP literals and "localhost"; Errc::kInvalid for names.
Result<SocketAddress> literal_socket_address(const Address& address);
// Letters, digits and what else stands in names and IPv4 literals. Everything else (a user's name and
// its @, a NUL that ends the text for the system but not for us) is a trick or a mistake.
bool is_host_name(std::string_view host);
// 127.0.0.0/8 or ::1, written as a literal; no name is one.
bool is_loopback_literal(std::string_view host);
// An IP literal as bytes; an IPv4 address inside an IPv6 one (::ffff:1.2.3.4) is the IPv4 address.
struct IpLiteral {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t length = 0;  // 4 or 16
  bool operator==(const IpLiteral&) const = default;
};
std::optional<IpLiteral> ip_literal(std::string_view host);
// For every TCP connection, also as the listening socket that hands it on: nothing waits for more to send
// (messages are written whole), and a peer that is gone is noticed within 45 s.
void set_tcp_options(int fd);

}  // namespace shed::net
