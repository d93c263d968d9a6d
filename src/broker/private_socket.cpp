#include "shed/broker/private_socket.h"

#include "shed/base/file.h"

namespace shed::broker {

Result<net::Listener> open_private_socket(async::Loop& loop, const std::string& path) {
  if (const Status made = make_private_directory(path.substr(0, path.rfind('/'))); !made)
    return propagate(made);
  net::Address address;
  address.unix_path = path;
  return net::Listener::open(loop, address);
}

}  // namespace shed::broker
