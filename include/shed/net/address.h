// Where to listen and where to connect: TCP, unix socket or vsock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shed/async/stream.h"
#include "shed/base/result.h"

namespace shed::net {

// Between a virtual machine and its host, vsock(7); Linux only.
struct VsockAddress {
  static constexpr std::uint32_t kAnyCid = 0xffffffff;  // VMADDR_CID_ANY: only to listen on
  std::uint32_t cid = kAnyCid;
  std::uint32_t port = 0;
};

struct Address {
  std::string unix_path;  // non-empty for a unix socket
  std::string host;       // literal or name, IPv6 without brackets
  std::uint16_t port = 0;
  std::optional<VsockAddress> vsock = {};  // set for a vsock; TCP when neither this nor a path

  bool is_unix() const { return !unix_path.empty(); }
  bool is_vsock() const { return vsock.has_value(); }
  // A unix socket, 127.0.0.0/8, ::1 or "localhost": no other machine is involved.
  bool is_local() const;
  // "unix:/path" or "host:port", "[::1]:port": what parse_address() reads. "vsock:CID:PORT",
  // "vsock:PORT": what parse_frame_address() reads.
  std::string text() const;
};

// "unix:/path", "127.0.0.1:498", "[::1]:498". Errc::kInvalid, kLimit for a socket path that the
// system would not take (a path is never cut).
Result<Address> parse_address(std::string_view text);

// Where frames travel between the halves of the bus: "unix:/path", "vsock:CID:PORT" to connect to,
// "vsock:PORT" to listen on. Apart from parse_address(), where "vsock:498" is a host of that name.
// Errc::kInvalid, kLimit as there.
Result<Address> parse_frame_address(std::string_view text);

struct Url {
  Address address;
  std::string path;         // with the query; "/" at least
  std::string host_header;  // what a client sends as Host; for https without the default port
  bool tls = false;         // https

  // "https://host:443", "http://[::1]:80" or "unix:///socket/path", without the path of the request.
  std::string origin() const;
};

// "http://host[:port]/path", "https://host[:port]/path", "http+unix:///socket/path:/path" and
// "unix:///socket/path" (whose path is "/"). Errc::kLimit for a socket path that is too long, kInvalid
// for the rest: user names, fragments, spaces and control characters (a socket's path may have spaces).
Result<Url> parse_url(std::string_view text);

// The most bytes a unix socket path may have: 107 on Linux, 103 on macOS.
extern const std::size_t kMaxSocketPath;

// Connects. Names are looked up on the thread pool; their addresses are tried in order, each with its
// share of `limit`. A local address that nobody listens on fails at once, with Errc::kUnavailable or,
// for a missing socket file, kNotFound; a full listen queue is waited for. Errors name the address.
async::Task<Result<async::Stream>> connect(async::Loop& loop, Address address, Millis limit);

// Who is at the other end of a vsock: 2 is the host, 1 this machine itself, the rest are guests. The
// kernel says so, not the peer. Errc::kInvalid for a connection of another kind, kUnsupported where
// the system has no vsock.
Result<std::uint32_t> vsock_peer_cid(const async::Stream& stream);

}  // namespace shed::net
