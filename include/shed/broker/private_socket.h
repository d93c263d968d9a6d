// The host agent's sockets: for the person alone.
#pragma once

#include <string>

#include "shed/net/listener.h"

namespace shed::broker {

// Makes the directory (0700) and the socket (0600). Errors as net::Listener::open() and
// make_private_directory() have them.
Result<net::Listener> open_private_socket(async::Loop& loop, const std::string& path);

}  // namespace shed::broker
