#include <netinet/in.h>
#include <netinet/tcp.h>

#include <catch2/catch.hpp>

#include "net_fixture.h"

namespace shed::net {
namespace {

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  REQUIRE(::getsockopt(fd, level, name, &value, &length) == 0);
  return value;
}

#ifdef __linux__
TEST_CASE("a dead peer is noticed within 45 s on TCP, on either side of a connection") {
  async::Loop loop;
  auto listener = Listener::open(loop, *parse_address("127.0.0.1:0"));
  REQUIRE(listener);
  const auto connected = loop.block_on(connect(loop, listener->address(), Millis{5000}));
  REQUIRE(connected);
  const auto accepted = loop.block_on(listener->acceptor().accept());
  REQUIRE(accepted);
  for (const int fd : {connected->fd(), accepted->get()}) {
    CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 15);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 10);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 3);
    CHECK(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 30'000);
    CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  }
}
#endif

}  // namespace
}  // namespace shed::net
