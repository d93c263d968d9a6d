#include "shed/bus/link_address.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "shed/base/log.h"

namespace shed::bus {
namespace {

using Kind = LinkAddress::Kind;

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kVsock = "vsock:";
constexpr std::string_view kTls = "tcp+tls://";
constexpr std::string_view kSerial = "serial:";
constexpr std::string_view kVsockDevice = "firecracker:";
// With its NUL this is what Linux takes.
constexpr std::size_t kMaxPath = 4095;
// Addresses come from command lines and files: a message shows so much of a wrong one.
constexpr std::size_t kShown = 200;

std::string shown(std::string_view text) { return log::printable(text.substr(0, kShown)); }

Result<LinkAddress> socket_link(std::string_view text) {
  auto address = net::parse_frame_address(text);
  if (!address) return propagate(address);
  LinkAddress link;
  link.kind = address->is_vsock() ? Kind::kVsock : Kind::kUnix;
  link.address = std::move(*address);
  return link;
}

Result<LinkAddress> tls_link(std::string_view rest) {
  auto address = net::parse_address(rest);
  if (!address) return propagate(address);
  if (address->is_unix()) return fail(Errc::kInvalid, "TLS is for TCP: tcp+tls://HOST:PORT");
  LinkAddress link;
  link.kind = Kind::kTls;
  link.address = std::move(*address);
  return link;
}

Result<LinkAddress> serial_link(std::string_view path) {
  if (!path.starts_with('/')) return fail(Errc::kInvalid, "'{}' is not an absolute path", path);
  if (path.find('\0') != path.npos) return fail(Errc::kInvalid, "a path has no NUL bytes");
  if (path.size() > kMaxPath) return fail(Errc::kLimit, "the path has {} bytes", path.size());
  LinkAddress link;
  link.kind = Kind::kSerial;
  link.path = path;
  return link;
}

// The highest number stands for "any port" in vsock(7).
Result<std::uint32_t> guest_port(std::string_view text) {
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      port == std::numeric_limits<std::uint32_t>::max()) {
    return fail(Errc::kInvalid, "'{}' is not a vsock port", text);
  }
  return port;
}

Result<LinkAddress> vsock_device_link(std::string_view rest) {
  const auto colon = rest.rfind(':');
  if (colon == rest.npos) return fail(Errc::kInvalid, "not of the form firecracker:/PATH:PORT");
  auto device = net::parse_address(fmt::format("unix:{}", rest.substr(0, colon)));
  if (!device) return propagate(device);
  const auto port = guest_port(rest.substr(colon + 1));
  if (!port) return propagate(port);
  LinkAddress link;
  link.kind = Kind::kVsockDevice;
  link.address = std::move(*device);
  link.port = *port;
  return link;
}

// What both sides can use.
Result<LinkAddress> parse_link(std::string_view text, std::string_view forms) {
  if (text.starts_with(kUnix) || text.starts_with(kVsock)) return socket_link(text);
  if (text.starts_with(kTls)) return tls_link(text.substr(kTls.size()));
  if (text.starts_with(kSerial)) return serial_link(text.substr(kSerial.size()));
  return fail(Errc::kInvalid, "not one of {}", forms);
}

Result<LinkAddress> parse_listen(std::string_view text) {
  if (text.starts_with(kVsockDevice)) {
    return fail(Errc::kInvalid, "only the host half can dial a vsock device; the guest's side is vsock:PORT");
  }
  auto link = parse_link(text, "vsock:PORT, unix:/PATH, tcp+tls://ADDR:PORT, serial:/PATH");
  const bool has_cid =
      link && link->kind == Kind::kVsock && link->address.vsock->cid != net::VsockAddress::kAnyCid;
  if (has_cid) return fail(Errc::kInvalid, "a guest listens on vsock:PORT, without a context id");
  return link;
}

Result<LinkAddress> parse_dial(std::string_view text) {
  if (text.starts_with(kVsockDevice)) return vsock_device_link(text.substr(kVsockDevice.size()));
  auto link = parse_link(
      text, "vsock:CID:PORT, firecracker:/PATH:PORT, unix:/PATH, tcp+tls://HOST:PORT, serial:/PATH");
  if (!link) return link;
  if (link->kind == Kind::kVsock && link->address.vsock->cid == net::VsockAddress::kAnyCid) {
    return fail(Errc::kInvalid, "which guest? vsock:CID:PORT names its context id");
  }
  if (link->kind == Kind::kTls && link->address.port == 0) {
    return fail(Errc::kInvalid, "nobody can be reached at port 0");
  }
  return link;
}

// The address is named once, whatever the cause says.
Result<LinkAddress> named(Result<LinkAddress> link, std::string_view text) {
  if (link) return link;
  const std::string name = shown(text);
  const std::string& cause = link.error().text();
  const bool names_it = cause.starts_with(name);
  return std::unexpected(Error(link.error().code(), names_it ? cause : fmt::format("{}: {}", name, cause)));
}

}  // namespace

std::string_view LinkAddress::backend() const {
  switch (kind) {
    case Kind::kUnix:
      return "unix";
    case Kind::kVsock:
      return "vsock";
    case Kind::kTls:
      return "tcp";
    case Kind::kSerial:
      return "serial";
    case Kind::kVsockDevice:
      return "firecracker";
  }
  return "unix";
}

std::string LinkAddress::text() const {
  switch (kind) {
    case Kind::kTls:
      return fmt::format("{}{}", kTls, address.text());
    case Kind::kSerial:
      return fmt::format("{}{}", kSerial, path);
    case Kind::kVsockDevice:
      return fmt::format("{}{}:{}", kVsockDevice, address.unix_path, port);
    case Kind::kUnix:
    case Kind::kVsock:
      break;
  }
  return address.text();
}

Result<LinkAddress> parse_link_listen(std::string_view text) { return named(parse_listen(text), text); }

Result<LinkAddress> parse_link_dial(std::string_view text) { return named(parse_dial(text), text); }

}  // namespace shed::bus
