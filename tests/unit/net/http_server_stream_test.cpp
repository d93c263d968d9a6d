#include "shed/net/http_server.h"

#include <catch2/catch.hpp>
#include <string>

#include "server_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a stream is sent part by part and ends with the handler") {
  std::optional<async::Event> next;
  TestServer server([&next](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.start_stream("text/event-stream");
    (void)co_await exchange.write("one");
    co_await next->wait();
    (void)co_await exchange.write("");
    const std::string large(20'000, 'x');
    (void)co_await exchange.write(large);
  });
  next.emplace(server.loop);
  Peer peer = server.connect();
  CHECK(peer.ask(get("/")) ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\none\r\n");
  next->set();
  server.loop.poll();
  CHECK(peer.received() == "4e20\r\n" + std::string(20'000, 'x') + "\r\n0\r\n\r\n");
  CHECK(peer.ended());
}

TEST_CASE("a stream for a client of HTTP/1.0 has no chunks, and for HEAD no body") {
  TestServer server([](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.start_stream("text/plain");
    (void)co_await exchange.write("one");
    (void)co_await exchange.write("two");
  });
  Peer old = server.connect();
  CHECK(old.ask("GET / HTTP/1.0\r\n\r\n") ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n"
        "onetwo");
  CHECK(old.ended());
  Peer head = server.connect();
  CHECK(head.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(head.ended());
}

TEST_CASE("a stream to a client that does not read ends in time") {
  std::optional<Errc> code;
  int written = 0;
  TestServer server([&](HttpExchange& exchange) -> async::Task<> {
    Status status = co_await exchange.start_stream("text/plain");
    const std::string part(100'000, 'x');
    for (; status; ++written) status = co_await exchange.write(part);
    code = status.error().code();
  });
  Peer peer = server.connect();
  peer.send(get("/"));
  CHECK_FALSE(code);
  server.pass(30s);
  CHECK(code == Errc::kTimeout);
  CHECK(written > 0);
  CHECK_FALSE(peer.received().ends_with("0\r\n\r\n"));
  CHECK(peer.ended());
}

TEST_CASE("a handler learns that the client has gone") {
  bool gone = false;
  TestServer server([&gone](HttpExchange& exchange) -> async::Task<> {
    co_await exchange.disconnected();
    gone = true;
  });
  Peer peer = server.connect();
  peer.send(get("/"));
  CHECK_FALSE(gone);
  peer.close();
  CHECK(gone);
}

// Waits for the end of the client and for an event, as a handler of a slow request does.
async::Task<> wait_for_either(async::Loop& loop, HttpExchange& exchange, async::Event& ready, bool& gone) {
  async::Scope scope(loop);
  const auto watch = [](HttpExchange& e, async::Event& r, bool& g) -> async::Task<> {
    co_await e.disconnected();
    g = true;
    r.set();
  };
  scope.spawn(watch(exchange, ready, gone));
  co_await ready.wait();
  if (!gone) (void)co_await exchange.respond(200, "text/plain", exchange.path());
}

TEST_CASE("requests sent ahead while the handler waits are kept, every byte of them") {
  std::optional<async::Event> ready;
  bool gone = false;
  TestServer server(
      [&](HttpExchange& exchange) { return wait_for_either(server.loop, exchange, *ready, gone); });
  ready.emplace(server.loop);
  Peer peer = server.connect();
  peer.send(get("/1") + get("/2").substr(0, 5));
  peer.send(get("/2").substr(5, 3));
  CHECK(peer.ask(get("/2").substr(8) + post("/3", std::string(300, 'x'))).empty());
  CHECK_FALSE(gone);
  ready->set();
  server.loop.poll();
  CHECK(peer.received() == ok("/1") + ok("/2") + ok("/3"));
  CHECK_FALSE(peer.ended());
}

TEST_CASE("a client that sends ahead without bound is treated as gone") {
  std::optional<async::Event> ready;
  bool gone = false;
  TestServer server(
      [&](HttpExchange& exchange) { return wait_for_either(server.loop, exchange, *ready, gone); });
  ready.emplace(server.loop);
  Peer peer = server.connect();
  peer.send(get("/1"));
  peer.send(std::string(4000, 'x'));
  CHECK_FALSE(gone);
  peer.send(std::string(4000, 'x'));
  CHECK(gone);
  CHECK(peer.ended());
}

TEST_CASE("an answer that is dropped in the middle ends the connection") {
  TestServer server([&](HttpExchange& exchange) -> async::Task<> {
    const std::string body(8'000'000, 'x');
    Running<Status> answer(server.loop, exchange.respond(200, "text/plain", body));
    co_return;
  });
  Peer peer = server.connect();
  peer.send(get("/1") + get("/2"));
  CHECK(peer.received().find("HTTP/1.1", 1) == std::string::npos);
  CHECK(peer.ended());
  CHECK(server.handler.calls == 1);
}

}  // namespace
}  // namespace shed::net
