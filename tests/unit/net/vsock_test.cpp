#include <catch2/catch.hpp>

#include "net_fixture.h"
#include "shed/net/address.h"
#ifdef __linux__
#include <linux/vm_sockets.h>

#include "net/socket_address.h"
#endif

namespace shed::net {
namespace {

TEST_CASE("frames travel over a vsock or a unix socket") {
  const auto guest = parse_frame_address("vsock:3:1026");
  REQUIRE(guest);
  REQUIRE(guest->is_vsock());
  CHECK(guest->vsock->cid == 3);
  CHECK(guest->vsock->port == 1026);
  CHECK_FALSE(guest->is_unix());
  CHECK(parse_frame_address("unix:/run/a.sock")->unix_path == "/run/a.sock");
}

TEST_CASE("a vsock without a context id is one to listen on") {
  const auto address = parse_frame_address("vsock:1026");
  REQUIRE(address);
  REQUIRE(address->is_vsock());
  CHECK(address->vsock->cid == VsockAddress::kAnyCid);
  CHECK(address->vsock->port == 1026);
}

TEST_CASE("a vsock is written as it is read") {
  for (const char* text : {"vsock:3:1026", "vsock:1026", "vsock:4294967294:4294967294"}) {
    CHECK(parse_frame_address(text)->text() == text);
  }
}

TEST_CASE("what is neither a vsock nor a unix socket is no address for frames") {
  const auto text = GENERATE(as<std::string>{}, "", "vsock", "vsock:", "vsock::1", "vsock:3:", "vsock:x:1",
                             "vsock:3:x", "vsock:-1", "vsock:3:1:2", "vsock:3: 1", "vsock:4294967295",
                             "vsock:4294967295:1", "vsock:4294967296:1", "127.0.0.1:498", "unix:a.sock");
  CAPTURE(text);
  const auto address = parse_frame_address(text);
  REQUIRE_FALSE(address);
  CHECK(address.error().code() == Errc::kInvalid);
}

TEST_CASE("a bad vsock is refused with what is wrong") {
  CHECK(parse_frame_address("vsock:x:1").error().text() == "vsock:x:1: 'x' is not a vsock context id");
  CHECK(parse_frame_address("vsock:3:x").error().text() == "vsock:3:x: 'x' is not a vsock port");
  CHECK(parse_frame_address("host:1").error().text() == "'host:1' is neither vsock:CID:PORT nor unix:/PATH");
}

TEST_CASE("elsewhere vsock is a host's name like any other") {
  const auto address = parse_address("vsock:498");
  REQUIRE(address);
  CHECK_FALSE(address->is_vsock());
  CHECK(address->host == "vsock");
}

TEST_CASE("a vsock is not local: the other end is another machine") {
  CHECK_FALSE(parse_frame_address("vsock:3:1026")->is_local());
}

TEST_CASE("connecting to a vsock without a context id is refused") {
  async::Loop loop;
  const auto stream = loop.block_on(connect(loop, *parse_frame_address("vsock:1026"), Millis{1000}));
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code() == Errc::kInvalid);
  CHECK(stream.error().text() == "connect to vsock:1026: a vsock is connected to by context id and port");
}

#ifdef __linux__
TEST_CASE("a vsock has the system's form") {
  const auto native = vsock_socket_address({3, 1026});
  REQUIRE(native);
  CHECK(native->length == sizeof(sockaddr_vm));
  const auto& form = reinterpret_cast<const sockaddr_vm&>(native->storage);
  CHECK(form.svm_family == AF_VSOCK);
  CHECK(form.svm_cid == 3);
  CHECK(form.svm_port == 1026);
}

TEST_CASE("a vsock listener has its port, and a second one is refused by name") {
  const UniqueFd probe(::socket(AF_VSOCK, SOCK_STREAM, 0));
  if (!probe) {
    WARN("this kernel has no AF_VSOCK: listening on one is not tested");
    return;
  }
  async::Loop loop;
  Address address;
  address.vsock = VsockAddress{VsockAddress::kAnyCid, 0x10000u + static_cast<std::uint32_t>(::getpid())};
  const auto listener = Listener::open(loop, address);
  REQUIRE(listener);
  CHECK(listener->address().text() == address.text());
  const auto second = Listener::open(loop, address);
  REQUIRE_FALSE(second);
  CHECK(second.error().text().starts_with(address.text() + ": "));
}

TEST_CASE("a connection that is no vsock has no context id") {
  async::Loop loop;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const async::Stream stream(loop, UniqueFd(ends[0]));
  const UniqueFd other(ends[1]);
  const auto cid = vsock_peer_cid(stream);
  REQUIRE_FALSE(cid);
  CHECK(cid.error().code() == Errc::kInvalid);
  CHECK(cid.error().text() == "the connection is not a vsock");
}

TEST_CASE("a vsock connection from this machine comes from its own context id") {
  async::Loop loop;
  Address address;
  address.vsock = VsockAddress{VsockAddress::kAnyCid, 0x20000u + static_cast<std::uint32_t>(::getpid())};
  auto listener = Listener::open(loop, address);
  address.vsock->cid = VMADDR_CID_LOCAL;
  auto connected = loop.block_on(connect(loop, address, Millis{1000}));
  if (!listener || !connected) {
    WARN("this kernel has no vsock loopback: whose a connection is is not tested");
    return;
  }
  auto accepted = loop.block_on(listener->acceptor().accept());
  REQUIRE(accepted);
  const async::Stream stream(loop, std::move(*accepted));
  CHECK(vsock_peer_cid(stream) == VMADDR_CID_LOCAL);
  CHECK(vsock_peer_cid(*connected) == VMADDR_CID_LOCAL);
}
#endif

}  // namespace
}  // namespace shed::net
