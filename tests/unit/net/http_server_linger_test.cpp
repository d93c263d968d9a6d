// After a refusal the client may still be sending: a reset would take the answer from it.
#include <catch2/catch.hpp>
#include <string>

#include "server_fixture.h"
#include "shed/net/http_server.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kTooLarge = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n";

HttpServerOptions with_body_limit(std::size_t limit) {
  HttpServerOptions options;
  options.max_body = limit;
  return options;
}

TEST_CASE("a client that sends a body too large to its end still gets the answer") {
  TestServer server(refuse_large, with_body_limit(1000));
  Peer peer = server.connect();
  CHECK(peer.send(post("/", std::string(4'000'000, 'x'))));
  CHECK(starts_with(peer.received(), "HTTP/1.1 413"));
  peer.shut_down_writing();
  CHECK(peer.ended());
}

TEST_CASE("a body up to twice the limit is thrown away after a refusal") {
  TestServer server(refuse_large, with_body_limit(16 << 20));
  Peer peer = server.connect();
  CHECK(peer.send(post("/", std::string(32'000'000, 'x'))));
  CHECK(starts_with(peer.received(), "HTTP/1.1 413"));
}

TEST_CASE("what is thrown away after a refusal ends after some megabytes") {
  TestServer server(refuse_large, with_body_limit(1000));
  Peer peer = server.connect();
  CHECK_FALSE(peer.send(post("/", std::string(16'000'000, 'x'))));
}

TEST_CASE("a large body that is thrown away ends after twice the limit") {
  TestServer server(refuse_large, with_body_limit(4 << 20));
  Peer peer = server.connect();
  CHECK_FALSE(peer.send(post("/", std::string(16'000'000, 'x'))));
}

TEST_CASE("a client that sends nothing more after a refusal is let go after a second") {
  TestServer server(refuse_large, with_body_limit(1000));
  Peer peer = server.connect();
  peer.ask(kTooLarge);
  server.pass(999ms);
  CHECK(peer.send("x"));
  server.pass(999ms);
  CHECK(peer.send("x"));
  server.pass(1s);
  CHECK_FALSE(peer.send("x"));
}

TEST_CASE("a client that drips on after a refusal is let go after five seconds") {
  TestServer server(refuse_large, with_body_limit(1000));
  Peer peer = server.connect();
  peer.ask(kTooLarge);
  for (int i = 0; i < 9; ++i) {
    server.pass(500ms);
    CHECK(peer.send("x"));
  }
  server.pass(500ms);
  CHECK_FALSE(peer.send("x"));
}

TEST_CASE("a client that drips on after a refusal makes room for a new one after a second") {
  HttpServerOptions options = with_body_limit(1000);
  options.max_connections = 1;
  TestServer server(refuse_large, options);
  Peer first = server.connect();
  first.ask(kTooLarge);
  Peer second = server.connect();
  second.send(get("/"));
  server.pass(999ms);
  CHECK(first.send("x"));
  CHECK(second.received().empty());
  server.pass(1ms);
  CHECK(second.received() == ok("0"));
  CHECK_FALSE(first.send("x"));
}

}  // namespace
}  // namespace shed::net
