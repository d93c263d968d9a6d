// Listening sockets.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "shed/async/stream.h"
#include "shed/net/address.h"

namespace shed::net {

// A listening socket. A unix socket's file is removed on destruction, if it is still ours.
class Listener {
 public:
  // A stale unix socket (nobody answers) is replaced, a live one is not; what is no socket, or
  // belongs to somebody else, is left alone. `mode` is that of the socket's file.
  // Errc::kExists: somebody listens there, or something else is in the way. kNotFound: the
  // directory is missing. kPermission, kLimit. Every error names the path or address.
  static Result<Listener> open(async::Loop& loop, const Address& address, mode_t mode = 0600);

  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  async::Acceptor& acceptor() { return *acceptor_; }
  // As bound: with the port that the system chose for port 0.
  const Address& address() const { return address_; }

 private:
  Listener(async::Loop& loop, Address address, UniqueFd fd);
  Address address_;
  std::optional<async::Acceptor> acceptor_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace shed::net
