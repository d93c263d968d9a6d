#include "shed/bus/link_address.h"

#include <catch2/catch.hpp>

namespace shed::bus {
namespace {

using Kind = LinkAddress::Kind;

TEST_CASE("a guest listens on a vsock port, a unix socket, TCP with TLS or a serial device") {
  const auto vsock = parse_link_listen("vsock:1026");
  REQUIRE(vsock);
  CHECK(vsock->kind == Kind::kVsock);
  CHECK(vsock->address.vsock->port == 1026);
  const auto path = parse_link_listen("unix:/run/frames.sock");
  REQUIRE(path);
  CHECK(path->kind == Kind::kUnix);
  CHECK(path->address.unix_path == "/run/frames.sock");
  const auto tls = parse_link_listen("tcp+tls://0.0.0.0:0");
  REQUIRE(tls);
  CHECK(tls->kind == Kind::kTls);
  CHECK(tls->address.host == "0.0.0.0");
  const auto serial = parse_link_listen("serial:/dev/virtio-ports/shed");
  REQUIRE(serial);
  CHECK(serial->kind == Kind::kSerial);
  CHECK(serial->path == "/dev/virtio-ports/shed");
}

TEST_CASE("a host dials each of those, and a vsock device by its socket and the guest's port") {
  CHECK(parse_link_dial("vsock:3:1026")->address.vsock->cid == 3);
  CHECK(parse_link_dial("unix:/run/a.sock")->kind == Kind::kUnix);
  CHECK(parse_link_dial("serial:/run/chardev.sock")->kind == Kind::kSerial);
  const auto tls = parse_link_dial("tcp+tls://[2001:db8::1]:7001");
  REQUIRE(tls);
  CHECK(tls->address.host == "2001:db8::1");
  CHECK(tls->address.port == 7001);
  const auto device = parse_link_dial("firecracker:/run/v:1/web.sock:1026");
  REQUIRE(device);
  CHECK(device->kind == Kind::kVsockDevice);
  CHECK(device->address.unix_path == "/run/v:1/web.sock");
  CHECK(device->port == 1026);
}

TEST_CASE("an address is written as it is read") {
  for (const char* text : {"vsock:3:1026", "unix:/run/a b.sock", "tcp+tls://build.example:7001",
                           "tcp+tls://[::1]:7001", "serial:/dev/ttyS0", "firecracker:/run/web.sock:1026"}) {
    CHECK(parse_link_dial(text)->text() == text);
  }
  CHECK(parse_link_listen("vsock:1026")->text() == "vsock:1026");
}

TEST_CASE("the backend of a guest follows from how it is dialled") {
  CHECK(parse_link_dial("unix:/a")->backend() == "unix");
  CHECK(parse_link_dial("vsock:3:1026")->backend() == "vsock");
  CHECK(parse_link_dial("tcp+tls://a:1")->backend() == "tcp");
  CHECK(parse_link_dial("serial:/a")->backend() == "serial");
  CHECK(parse_link_dial("firecracker:/a:1")->backend() == "firecracker");
}

TEST_CASE("what is no address of a link is refused, and named once") {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case wrong = GENERATE(values<Case>({
      {"",
       "not one of vsock:CID:PORT, firecracker:/PATH:PORT, unix:/PATH, tcp+tls://HOST:PORT, "
       "serial:/PATH"},
      {"vsock:1026", "vsock:1026: which guest? vsock:CID:PORT names its context id"},
      {"vsock:3:x", "vsock:3:x: 'x' is not a vsock port"},
      {"unix:web.sock", "unix:web.sock: 'web.sock' is not an absolute path"},
      {"tcp+tls://host:0", "tcp+tls://host:0: nobody can be reached at port 0"},
      {"tcp+tls://host", "tcp+tls://host: 'host' is not of the form HOST:PORT"},
      {"tcp+tls://host:1/x", "tcp+tls://host:1/x: host:1/x: '1/x' is not a port"},
      {"tcp+tls://unix:/a", "tcp+tls://unix:/a: TLS is for TCP: tcp+tls://HOST:PORT"},
      {"tcp+tls://user@host:1", "tcp+tls://user@host:1: 'user@host' is not a host"},
      {"serial:ttyS0", "serial:ttyS0: 'ttyS0' is not an absolute path"},
      {"firecracker:/run/web.sock", "firecracker:/run/web.sock: not of the form firecracker:/PATH:PORT"},
      {"firecracker:web.sock:1", "firecracker:web.sock:1: 'web.sock' is not an absolute path"},
      {"firecracker:/web.sock:", "firecracker:/web.sock:: '' is not a vsock port"},
      {"firecracker:/web.sock:4294967295",
       "firecracker:/web.sock:4294967295: '4294967295' is not a vsock port"},
  }));
  const auto link = parse_link_dial(wrong.text);
  REQUIRE_FALSE(link);
  CHECK(link.error().code() == Errc::kInvalid);
  CHECK(link.error().text() == wrong.error);
}

TEST_CASE("what only the host half can use is refused for a guest") {
  CHECK(parse_link_listen("firecracker:/run/web.sock:1026").error().text() ==
        "firecracker:/run/web.sock:1026: only the host half can dial a vsock device; the guest's side is "
        "vsock:PORT");
  CHECK(parse_link_listen("vsock:3:1026").error().text() ==
        "vsock:3:1026: a guest listens on vsock:PORT, without a context id");
}

TEST_CASE("a path that the system would not take is over the limit") {
  const std::string path = "/" + std::string(net::kMaxSocketPath, 'p');
  CHECK(parse_link_dial("unix:" + path).error().code() == Errc::kLimit);
  CHECK(parse_link_dial("firecracker:" + path + ":1").error().code() == Errc::kLimit);
  CHECK(parse_link_dial("serial:/" + std::string(4095, 'p')).error().code() == Errc::kLimit);
  CHECK(parse_link_dial("serial:/" + std::string(4094, 'p')));
  CHECK(parse_link_dial(std::string("serial:/a\0b", 11)).error().code() == Errc::kInvalid);
}

TEST_CASE("a wrong address cannot write on the terminal") {
  const std::string error = parse_link_dial("\x1b[2J\nhost").error().text();
  CHECK(error.find('\x1b') == std::string::npos);
  CHECK(error.find('\n') == std::string::npos);
}

}  // namespace
}  // namespace shed::bus
