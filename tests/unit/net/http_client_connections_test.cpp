#include "shed/net/http_client.h"

#include <catch2/catch.hpp>
#include <string>

#include "client_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a connection is used again, for one request after the other") {
  Stage stage;
  std::optional<Peer> peer;
  for (int i = 0; i < 5; ++i) {
    auto response = stage.get();
    if (!peer) peer.emplace(stage.accept());
    CHECK(peer->received().starts_with("GET / HTTP/1.1"));
    peer->send(kOk);
    REQUIRE(response->done());
    CHECK(answer_of(response).body() == "ok");
  }
  CHECK(stage.nobody_comes());
}

TEST_CASE("a connection that the server has closed meanwhile is replaced without an error") {
  Stage stage;
  {
    auto response = stage.get();
    Peer peer = stage.accept();
    peer.send(kOk);
    REQUIRE(response->done());
  }
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(kOk);
  REQUIRE(response->done());
  CHECK(**response);
}

TEST_CASE("a connection on which unasked bytes came is not used again") {
  const bool at_once = GENERATE(true, false);
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  const std::string forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
  peer.send(std::string(kOk) + (at_once ? forged : ""));
  REQUIRE(response->done());
  response.reset();
  if (!at_once) peer.send(forged);
  auto next = stage.get();
  Peer fresh = stage.accept();
  fresh.send(kOk);
  REQUIRE(next->done());
  CHECK(answer_of(next).body() == "ok");
}

TEST_CASE("a connection that the server wants to close is not used again") {
  const auto answer =
      GENERATE(as<std::string>(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
               "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(answer);
  REQUIRE(response->done());
  response.reset();
  stage.loop.poll();
  CHECK(peer.ended());
}

TEST_CASE("a connection that was idle too long is closed") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(kOk);
  REQUIRE(response->done());
  response.reset();
  stage.pass(29s);
  {
    auto again = stage.get();
    CHECK(stage.nobody_comes());
    peer.send(kOk);
    REQUIRE(again->done());
  }
  stage.pass(30s);
  auto next = stage.get();
  Peer fresh = stage.accept();
  CHECK(peer.ended());
}

TEST_CASE("idle connections that are not needed any more go when one is given back") {
  Stage stage;
  auto one = stage.get();
  Peer first = stage.accept();
  auto two = stage.get();
  Peer second = stage.accept();
  first.send(kOk);
  second.send(kOk);
  REQUIRE(one->done());
  REQUIRE(two->done());
  one.reset();
  stage.pass(30s);
  CHECK_FALSE(first.ended());
  two.reset();
  stage.loop.poll();
  CHECK(first.ended());
  CHECK_FALSE(second.ended());
}

TEST_CASE("a request over the limit of connections waits for one of them") {
  HttpClientOptions options;
  options.max_connections = 2;
  Stage stage(options);
  auto one = stage.get("/1");
  Peer first = stage.accept();
  auto two = stage.get("/2");
  Peer second = stage.accept();
  auto three = stage.get("/3");
  CHECK(stage.nobody_comes());
  first.received();
  first.send(kOk);
  REQUIRE(one->done());
  CHECK(first.received().empty());
  one.reset();
  stage.loop.poll();
  CHECK(first.received().starts_with("GET /3 "));
  CHECK(stage.nobody_comes());
}

TEST_CASE("a dropped request gives its place back, wherever it waited") {
  HttpClientOptions options;
  options.max_connections = 1;
  Stage stage(options);
  SECTION("for its answer") {
    auto one = stage.get("/1");
    Peer first = stage.accept();
    first.send("HTTP/1.1 200 OK\r\n");
    auto two = stage.get("/2");
    CHECK(stage.nobody_comes());
    one->drop();
    CHECK(stage.accept().received().starts_with("GET /2 "));
    CHECK(first.ended());
  }
  SECTION("for a place") {
    auto one = stage.get("/1");
    Peer first = stage.accept();
    auto two = stage.get("/2");
    auto three = stage.get("/3");
    two->drop();
    first.received();
    first.send(kOk);
    REQUIRE(one->done());
    one.reset();
    CHECK_FALSE(three->done());
    CHECK(first.received().starts_with("GET /3 "));
  }
  SECTION("for the kernel to take its body") {
    const std::string body(8'000'000, 'x');
    auto one = stage.send({.method = "POST", .path = "/1", .body = body});
    Peer first = stage.accept();
    auto two = stage.get("/2");
    one->drop();
    CHECK(stage.accept().received().starts_with("GET /2 "));
  }
}

TEST_CASE("a failed request gives its place back") {
  HttpClientOptions options;
  options.max_connections = 1;
  Stage stage(options);
  for (int i = 0; i < 3; ++i) CHECK(error_after(stage, "nonsense").code() == Errc::kProtocol);
}

TEST_CASE("an answer that is moved gives its connection back once") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(kOk);
  REQUIRE(response->done());
  {
    const HttpResponse moved(std::move(answer_of(response)));
    CHECK(moved.body() == "ok");
    response.reset();
  }
  auto next = stage.get();
  CHECK(stage.nobody_comes());
  CHECK(peer.received().find("GET / HTTP/1.1", 1) != std::string::npos);
}

TEST_CASE("a large answer is read and its memory given back") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  const std::string body(1'000'000, 'x');
  peer.send(fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.size(), body));
  REQUIRE(response->done());
  CHECK(answer_of(response).body() == body);
  response.reset();
  auto next = stage.get();
  peer.received();
  peer.send(kOk);
  REQUIRE(next->done());
  CHECK(answer_of(next).body() == "ok");
}

// Against the real server.

async::Task<> say_path(HttpExchange& exchange) {
  (void)co_await exchange.respond(200, "text/plain", fmt::format("{}{}", exchange.path(), exchange.body()));
}

TEST_CASE("a hundred requests at a time come back to whom they belong, over connections that are kept") {
  TestServer server(say_path);
  HttpClientOptions options;
  options.max_connections = 10;
  HttpClient client(server.loop, url_of(server.path), options);
  for (int round = 0; round < 3; ++round) {
    int right = 0;
    async::Scope scope(server.loop);
    const auto ask = [](HttpClient& c, std::string path, int& count) -> async::Task<> {
      const auto response = co_await c.send({.method = "POST", .path = path, .body = "!"});
      count += response && response->body() == path + "!" ? 1 : 0;
    };
    for (int i = 0; i < 100; ++i) scope.spawn(ask(client, fmt::format("/{}", i), right));
    while (scope.size() > 0) server.loop.poll();
    CHECK(right == 100);
  }
  CHECK(server.handler.calls == 300);
}

TEST_CASE("client and server understand each other over TCP") {
  FakeClock clock;
  async::Loop loop(clock);
  FunctionHandler handler(say_path);
  HttpServer server(loop, handler);
  auto listener = Listener::open(loop, *parse_address("127.0.0.1:0"));
  REQUIRE(listener);
  async::Scope scope(loop);
  scope.spawn(server.serve(listener->acceptor()));
  HttpClient client(loop, *parse_url("http://" + listener->address().text()));
  const std::string body(900'000, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto response = loop.block_on(client.send({.method = "POST", .path = "/p", .body = body}));
    REQUIRE(response);
    CHECK(response->body() == "/p" + body);
  }
}

}  // namespace
}  // namespace shed::net
