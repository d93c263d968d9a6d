#include <catch2/catch.hpp>

#include "tls_server_fixture.h"

namespace shed::net {
namespace {

async::Task<Result<std::string>> read_once(Channel& channel) {
  std::string into(64, '\0');
  const auto count = co_await channel.read(into);
  if (!count) co_return propagate(count);
  into.resize(*count);
  co_return into;
}

TEST_CASE("a client that pins the certificate is served, both ways") {
  Server server;
  Client client(server, pinning(self_signed()->pin()));
  REQUIRE(**server.accepted);
  REQUIRE(**client.opened);
  Channel& here = ****server.accepted;
  Channel& there = ****client.opened;
  REQUIRE(server.loop.block_on(there.write("from the ", "client")));
  CHECK(server.loop.block_on(read_once(here)) == "from the client");
  REQUIRE(server.loop.block_on(here.write("from the server", {})));
  CHECK(server.loop.block_on(read_once(there)) == "from the server");
  client.opened.reset();
  CHECK(server.loop.block_on(read_once(here)) == "");
}

TEST_CASE("a client that pins another certificate goes, and the server is told why") {
  Server server;
  const std::string other = "sha256:" + std::string(64, '0');
  Client client(server, pinning(other));
  REQUIRE(client.opened->done());
  REQUIRE_FALSE(**client.opened);
  CHECK((**client.opened).error().code() == Errc::kRefused);
  CHECK((**client.opened).error().text() ==
        "the certificate's pin is " + self_signed()->pin() + ", wanted is " + other);
  CHECK(server.error().code() == Errc::kProtocol);
  CHECK(server.error().text().find("alert") != std::string::npos);
}

TEST_CASE("a client that offers a protocol by ALPN is served without one") {
  Server server;
  TlsOptions options = pinning(self_signed()->pin());
  options.protocol = "http/1.1";
  Client client(server, std::move(options));
  CHECK(**server.accepted);
  CHECK(**client.opened);
}

TEST_CASE("what speaks no TLS is refused") {
  Server server;
  SECTION("frames") {
    server.peer().send(std::string("\x20\x00\x00\x00\x02{}", 7) + std::string(64, ' '));
    CHECK(server.error().code() == Errc::kProtocol);
  }
  SECTION("HTTP") {
    server.peer().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(server.error().code() == Errc::kProtocol);
    CHECK(server.error().text() == "the peer does not speak TLS; is it plain http?");
  }
  SECTION("a record that is no handshake") {
    server.peer().send(std::string("\x17\x03\x03\x00\x02xx", 7));
    CHECK(server.error().code() == Errc::kProtocol);
  }
}

// A client made of OpenSSL alone, with what ours would never do.
class RawClient {
 public:
  RawClient(Server& server, int highest)
      : loop_(server.loop), fd_(std::move(server.other)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), highest);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION*) {
      ++*static_cast<int*>(SSL_get_app_data(ssl));
      return 0;
    });
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_app_data(ssl_.get(), &sessions);
    REQUIRE(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(SSL_set_fd(ssl_.get(), fd_.get()) == 1);
    SSL_set_connect_state(ssl_.get());
  }
  bool shake_hands() {
    for (int round = 0; round < 20; ++round) {
      const bool done = SSL_do_handshake(ssl_.get()) == 1;
      ERR_clear_error();
      loop_.poll();
      if (done) return true;
    }
    return false;
  }
  SSL* native() { return ssl_.get(); }
  void hang_up() {
    fd_.reset();
    loop_.poll();
  }
  int sessions = 0;

 private:
  async::Loop& loop_;
  UniqueFd fd_;
  SslContext context_;
  SslConnection ssl_;
};

TEST_CASE("a client of TLS 1.1 is refused") {
  Server server;
  RawClient client(server, TLS1_1_VERSION);
  CHECK_FALSE(client.shake_hands());
  CHECK(server.error().code() == Errc::kProtocol);
  CHECK(server.error().text() == "the peer speaks neither TLS 1.2 nor 1.3");
}

TEST_CASE("no session is left to resume") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  Server server;
  RawClient client(server, version);
  REQUIRE(client.shake_hands());
  REQUIRE(server.accepted->done());
  REQUIRE(**server.accepted);
  REQUIRE(server.loop.block_on((****server.accepted).write("x", {})));
  char byte = 0;
  REQUIRE(SSL_read(client.native(), &byte, 1) == 1);
  CHECK(SSL_version(client.native()) == version);
  CHECK(SSL_SESSION_is_resumable(SSL_get_session(client.native())) == 0);
}

TEST_CASE("a client that hangs up in the handshake is an error that says so") {
  Server server;
  SECTION("before it") { server.peer().close(); }
  SECTION("in it") {
    RawClient client(server, TLS1_3_VERSION);
    (void)SSL_do_handshake(client.native());
    server.loop.poll();
    CHECK_FALSE(server.accepted->done());
    char flight[16384];
    while (::recv(SSL_get_fd(client.native()), flight, sizeof flight, 0) > 0) {
    }
    client.hang_up();
  }
  CHECK(server.error().code() == Errc::kClosed);
  CHECK(server.error().text() == "the peer closed the connection in the TLS handshake");
}

TEST_CASE("a handshake of a silent client that is dropped hangs up") {
  Server server;
  CHECK_FALSE(server.accepted->done());
  server.accepted->drop();
  CHECK(server.peer().ended());
}

}  // namespace
}  // namespace shed::net
