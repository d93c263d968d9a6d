#include "shed/net/http_server.h"

#include <catch2/catch.hpp>
#include <string>

#include "server_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

HttpServerOptions small_limits() {
  HttpServerOptions options;
  options.max_header = 512;
  options.max_body = 1000;
  return options;
}

TEST_CASE("a body that is announced too large is refused before it comes, and nothing is lost") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  const std::string answer = peer.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  CHECK(starts_with(answer, "HTTP/1.1 413 Content Too Large\r\n"));
  CHECK(answer.find("connection: close\r\n") != answer.npos);
  CHECK(answer.ends_with("\r\n\r\ntoo large\n"));
}

TEST_CASE("a chunked body that grows too large is refused") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  std::string text = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 6; ++i) text += "c8\r\n" + std::string(200, 'x') + "\r\n";
  CHECK(starts_with(peer.ask(text), "HTTP/1.1 413"));
  CHECK(server.handler.calls == 1);
}

TEST_CASE("a body as large as the limit is taken") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  CHECK(peer.ask(post("/", std::string(1000, 'x'))) == ok("1000"));
}

TEST_CASE("a header that is too long gets a 431") {
  TestServer server(echo, small_limits());
  Peer peer = server.connect();
  const std::string answer = peer.ask("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(600, 'x'));
  CHECK(starts_with(answer, "HTTP/1.1 431 Request Header Fields Too Large\r\n"));
  CHECK(answer.find("connection: close\r\n") != answer.npos);
  CHECK(answer.ends_with("the header is longer than 512 bytes"));
  CHECK(server.handler.calls == 0);
}

TEST_CASE("what is not HTTP gets a 400 and the end of the connection") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string answer = peer.ask("\x16\x03\x01\x02\x00\x01");
  CHECK(starts_with(answer, "HTTP/1.1 400 Bad Request\r\n"));
  CHECK(answer.find("connection: close\r\n") != answer.npos);
  CHECK(peer.ended());
  CHECK(server.handler.calls == 0);
}

TEST_CASE("a request that hides another is refused with all that follows") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string answer = peer.ask(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
      get("/x"));
  CHECK(starts_with(answer, "HTTP/1.1 400"));
  CHECK(answer.find("HTTP/1.1", 1) == answer.npos);
  CHECK(server.handler.calls == 0);
}

TEST_CASE("100 Continue is sent to who waits for it, and only for a body that is wanted") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  const std::string expect = "Expect: 100-continue\r\n\r\n";
  CHECK(peer.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n" + expect) ==
        "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(peer.ask("body") == ok("4"));
  CHECK(starts_with(peer.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n" + expect),
                    "HTTP/1.1 413"));
}

TEST_CASE("a header that comes too slowly gets a 408") {
  TestServer server(echo);
  Peer peer = server.connect();
  peer.send("POST / HTTP/1.1\r\n");
  for (int i = 0; i < 4; ++i) {
    server.pass(1s);
    CHECK(peer.ask("A: b\r\n").empty());
  }
  server.pass(999ms);
  CHECK(peer.received().empty());
  server.pass(1ms);
  CHECK(starts_with(peer.received(), "HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(server.handler.calls == 0);
}

TEST_CASE("a header that comes in time leaves the body the rest of the request's time") {
  TestServer server(echo);
  Peer peer = server.connect();
  peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-");
  server.pass(4s);
  peer.send("Length: 9\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    server.pass(1s);
    CHECK(peer.ask("x").empty());
  }
  server.pass(999ms);
  CHECK(peer.received().empty());
  server.pass(1ms);
  const std::string answer = peer.received();
  CHECK(starts_with(answer, "HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(answer.ends_with("connection: close\r\n\r\nthe request took too long"));
  server.pass(1s);
  CHECK(peer.ended());
}

TEST_CASE("a connection without a request ends silently after the idle limit") {
  TestServer server(echo);
  Peer fresh = server.connect();
  Peer used = server.connect();
  server.pass(119s);
  used.ask(get("/"));
  server.pass(1s);
  CHECK(fresh.received().empty());
  CHECK(fresh.ended());
  CHECK_FALSE(used.ended());
  server.pass(119s);
  CHECK(used.ended());
}

TEST_CASE("a connection over the limit waits in the queue for its turn") {
  HttpServerOptions options;
  options.max_connections = 2;
  TestServer server(echo, options);
  std::optional<Peer> first(server.connect());
  Peer second = server.connect();
  Peer third = server.connect();
  CHECK(first->ask(get("/1")) == ok("GET /1 [] "));
  CHECK(second.ask(get("/2")) == ok("GET /2 [] "));
  CHECK(third.ask(get("/3")).empty());
  first->close();
  CHECK(third.received() == ok("GET /3 [] "));
}

HttpServerOptions two_connections() {
  HttpServerOptions options;
  options.max_connections = 2;
  return options;
}

TEST_CASE("who has been idle longest makes room for a new client, after a second") {
  TestServer server(echo, two_connections());
  Peer first = server.connect();
  server.pass(500ms);
  Peer second = server.connect();
  Peer third = server.connect();
  third.send(get("/3"));
  server.pass(499ms);
  CHECK(third.received().empty());
  server.pass(1ms);
  CHECK(third.received() == ok("GET /3 [] "));
  CHECK(first.ended());
  CHECK(second.ask(get("/2")) == ok("GET /2 [] "));
}

TEST_CASE("a client that comes when somebody has long been idle does not wait") {
  TestServer server(echo, two_connections());
  Peer first = server.connect();
  CHECK(first.ask(get("/1")) == ok("GET /1 [] "));
  Peer second = server.connect();
  server.pass(1s);
  CHECK(second.ask(get("/2")) == ok("GET /2 [] "));
  CHECK(server.connect().ask(get("/3")) == ok("GET /3 [] "));
  CHECK(first.ended());
  CHECK_FALSE(second.ended());
}

TEST_CASE("who is idle is left alone while there is room") {
  TestServer server(echo, two_connections());
  Peer first = server.connect();
  server.pass(60s);
  CHECK(server.connect().ask(get("/2")) == ok("GET /2 [] "));
  CHECK(first.ask(get("/1")) == ok("GET /1 [] "));
}

TEST_CASE("nobody makes room who waits for an answer or has begun to ask") {
  TestServer server([](HttpExchange& exchange) -> async::Task<> { co_await exchange.disconnected(); },
                    two_connections());
  Peer waiting = server.connect();
  waiting.send(get("/1"));
  Peer asking = server.connect();
  asking.send("GET /2 HT");
  Peer third = server.connect();
  third.send(get("/3"));
  server.pass(4s);
  CHECK(server.handler.calls == 1);
  CHECK_FALSE(waiting.ended());
  CHECK_FALSE(asking.ended());
}

TEST_CASE("headers that drip into every connection keep others out for the header's time only") {
  TestServer server(echo, two_connections());
  Peer first = server.connect();
  Peer second = server.connect();
  first.send("GET / HTTP/1.1\r\n");
  second.send("GET / HTTP/1.1\r\n");
  Peer third = server.connect();
  third.send(get("/3"));
  for (int i = 0; i < 5; ++i) {
    CHECK(third.received().empty());
    first.send("A: b\r\n");
    second.send("A: b\r\n");
    server.pass(1s);
  }
  server.pass(1s);
  CHECK(third.received() == ok("GET /3 [] "));
}

TEST_CASE("a request that comes as its connection is to make room is answered yet") {
  HttpServerOptions options;
  options.max_connections = 1;
  TestServer server(echo, options);
  Peer first = server.connect();
  server.pass(999ms);
  Peer second = server.connect();
  second.send(get("/2"));
  const std::string request = get("/1");
  REQUIRE(::send(first.fd(), request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  server.pass(1ms);
  CHECK(first.received() == ok("GET /1 [] "));
  CHECK(second.received() == ok("GET /2 [] "));
}

TEST_CASE("a client that does not read its answer is let go in time") {
  std::optional<Errc> code;
  TestServer server([&code](HttpExchange& exchange) -> async::Task<> {
    const std::string body(8'000'000, 'x');
    const Status status = co_await exchange.respond(200, "text/plain", body);
    if (!status) code = status.error().code();
  });
  Peer peer = server.connect();
  peer.send(get("/"));
  server.pass(29s);
  CHECK_FALSE(code);
  server.pass(1s);
  CHECK(code == Errc::kTimeout);
  CHECK(peer.received().size() < 8'000'000);
  CHECK(peer.ended());
}

TEST_CASE("a client that goes away in the middle of anything leaves nothing behind") {
  const auto sent = GENERATE(as<std::string>(), "", "GET", "GET / HTTP/1.1\r\nHost: h\r\nA",
                             "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nbo");
  const bool halfway = GENERATE(false, true);
  HttpServerOptions options;
  options.max_connections = 1;
  TestServer server(echo, options);
  Peer peer = server.connect();
  peer.send(sent);
  halfway ? peer.shut_down_writing() : peer.close();
  if (halfway) CHECK(peer.ended());
  CHECK(server.connect().ask(get("/next")) == ok("GET /next [] "));
}

TEST_CASE("a thousand connections that come and go leave no descriptors") {
  TestServer server(echo);
  const auto descriptors = [] { return std::distance(std::filesystem::directory_iterator("/dev/fd"), {}); };
  server.connect().ask(get("/"));
  server.pass(1ms);
  const auto before = descriptors();
  for (int i = 0; i < 1000; ++i) {
    Peer peer = server.connect();
    if (i % 2 == 0) peer.send(i % 4 == 0 ? get("/") : "GET / HT");
  }
  server.pass(1ms);
  CHECK(descriptors() == before);
}

TEST_CASE("the server's end is the end of its connections") {
  std::optional<TestServer> server(
      std::in_place, [](HttpExchange& exchange) -> async::Task<> { co_await exchange.disconnected(); });
  Peer waiting = server->connect();
  waiting.send(get("/"));
  server.reset();
  char byte = 0;
  CHECK(::recv(waiting.fd(), &byte, 1, MSG_DONTWAIT) == 0);
}

}  // namespace
}  // namespace shed::net
