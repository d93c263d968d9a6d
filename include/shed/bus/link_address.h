// Where the halves of the bus meet: the guest half listens (or has a serial line), the host half dials.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/net/address.h"

namespace shed::bus {

struct LinkAddress {
  enum class Kind {
    kUnix,
    kVsock,
    kTls,          // TCP with TLS inside
    kSerial,       // a character device; for the host also the unix socket that is one's other end
    kVsockDevice,  // host only: a vsock whose host side is a unix socket (protocol.md section 3)
  };
  Kind kind = Kind::kUnix;
  net::Address address;    // all but kSerial; of kVsockDevice the device's socket
  std::string path;        // kSerial
  std::uint32_t port = 0;  // kVsockDevice: the port in the guest

  // What kind of machine stands behind it, as envelopes name it: "unix", "vsock", "tcp", "serial",
  // "firecracker".
  std::string_view backend() const;
  // What the two functions below read.
  std::string text() const;
};

// The guest's side: "vsock:PORT", "unix:/PATH", "tcp+tls://ADDR:PORT" (port 0: any), "serial:/PATH".
// Errc::kInvalid with what is wrong, also for what only the other side can use; kLimit for a path that
// the system would not take. ADDR is an IP literal or localhost, which Listener::open() checks.
Result<LinkAddress> parse_link_listen(std::string_view text);

// The host's side: "vsock:CID:PORT", "firecracker:/PATH:PORT", "unix:/PATH", "tcp+tls://HOST:PORT",
// "serial:/PATH". Only HOST is ever looked up. Errors as above.
Result<LinkAddress> parse_link_dial(std::string_view text);

}  // namespace shed::bus
