// From the address of a guest to a connection that carries frames.
#pragma once

#include <memory>
#include <string>

#include "shed/bus/link_address.h"
#include "shed/net/channel.h"
#include "shed/net/tls.h"

namespace shed::bus {

// Connects as the host half, within `limit` for all of it. Of the other steps that an address may want:
// - kVsockDevice: the line "CONNECT <port>", and the device's answer "OK <number>", of which not a
//   byte more is read. Errc::kUnavailable when it hangs up (nobody listens in the guest), kProtocol
//   when it says something else (shown, at most 32 bytes).
// - kTls: TLS with `tls`, which must be set (Errc::kInvalid). Errors as start_tls() has them.
// - kSerial: a unix socket (the host side of a virtual machine's serial device) is connected to,
//   a character device is opened as open_serial() does.
// Errors name what was dialled. Errc::kTimeout, kNotFound, kUnavailable, kPermission besides.
async::Task<Result<std::unique_ptr<net::Channel>>> dial_link(async::Loop& loop, LinkAddress address,
                                                             std::shared_ptr<net::TlsContext> tls,
                                                             Millis limit);

// Opens a character device as the line to the other half; a tty is set raw (no echo, no line editing,
// no modem lines). Errc::kUnsupported for any other file. Errors name the path.
//
// The channel ends (a read of 0) when the line is hung up. Of a virtio port that means that nobody
// has the host's side open now: the device stays as it is and serves again later, on a new channel. A
// write waits as long as nobody reads at the other end.
Result<std::unique_ptr<net::Channel>> open_serial(async::Loop& loop, const std::string& path);

}  // namespace shed::bus
