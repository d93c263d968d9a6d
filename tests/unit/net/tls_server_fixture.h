// A server that takes TLS connections, and our client at the other end.
#pragma once

#include "shed/net/tls_server.h"
#include "tls_fixture.h"

namespace shed::net {

inline std::shared_ptr<TlsServerContext> self_signed() {
  static const TemporaryFolder kFolder;
  static const std::shared_ptr<TlsServerContext> kContext = [] {
    REQUIRE(make_self_signed(kFolder / "server.pem", "shed"));
    auto made = TlsServerContext::create({.certificate_file = kFolder / "server.pem", .key_file = ""});
    REQUIRE(made);
    return *made;
  }();
  return kContext;
}

// A connection of which accept_tls() has one end, and the test the other.
class Server {
 public:
  explicit Server(std::shared_ptr<TlsServerContext> context = self_signed()) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    other = UniqueFd(ends[1]);
    accepted.emplace(loop, accept_tls(loop, std::move(context), async::Stream(loop, UniqueFd(ends[0]))));
  }
  Peer& peer() {
    if (!peer_) peer_.emplace(loop, std::move(other));
    return *peer_;
  }
  Error error() {
    REQUIRE(accepted->done());
    REQUIRE_FALSE(**accepted);
    return (**accepted).error();
  }
  FakeClock clock;
  async::Loop loop{clock};
  UniqueFd other;
  std::optional<Running<TlsPair::Opened>> accepted;

 private:
  std::optional<Peer> peer_;
};

// Our client at the other end.
class Client {
 public:
  Client(Server& server, TlsOptions options) {
    auto context = TlsContext::create(std::move(options));
    REQUIRE(context);
    async::Stream stream(server.loop, std::move(server.other));
    opened.emplace(server.loop, start_tls(server.loop, *context, std::move(stream), "10.0.0.1"));
    for (int round = 0; round < 20 && !(opened->done() && server.accepted->done()); ++round) {
      server.loop.poll();
    }
  }
  std::optional<Running<TlsPair::Opened>> opened;
};

inline TlsOptions pinning(std::string pin) { return {.ca_file = "", .pin = std::move(pin), .protocol = ""}; }

}  // namespace shed::net
