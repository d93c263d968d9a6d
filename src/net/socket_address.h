// The system's form of an address.
#pragma once

#include <sys/socket.h>

#include "shed/net/address.h"

namespace shed::net {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length;
};

// The path's length was checked by parse_address().
SocketAddress unix_socket_address(const std::string& path);
// For IP literals and "localhost"; Errc::kInvalid for names.
Result<SocketAddress> literal_socket_address(const Address& address);
// Requests are written whole: waiting for more to send only delays them.
void disable_nagle(int fd);

}  // namespace shed::net
