#include "shed/net/http_client.h"

#include <catch2/catch.hpp>
#include <string>

#include "client_fixture.h"

namespace shed::net {
namespace {

TEST_CASE("a stream is there with its header, and its body comes part by part") {
  Stage stage;
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({.path = "/events"}));
  Peer peer = stage.accept();
  CHECK(peer.received() == "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n");
  CHECK_FALSE(opening.done());
  peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none");
  REQUIRE(opening.done());
  REQUIRE(*opening);
  HttpStream& stream = **opening;
  CHECK(stream.status() == 200);
  Buffer out;
  CHECK(*stage.loop.block_on(stream.read(out)) == 3);
  Running<Result<std::size_t>> next(stage.loop, stream.read(out));
  peer.send("\r\n");
  CHECK_FALSE(next.done());
  peer.send("3\r\ntw");
  REQUIRE(next.done());
  CHECK(**next == 2);
  peer.send("o\r\n0\r\n\r\n");
  CHECK(*stage.loop.block_on(stream.read(out)) == 1);
  CHECK(out.view() == "onetwo");
  CHECK(*stage.loop.block_on(stream.read(out)) == 0);
  CHECK(*stage.loop.block_on(stream.read(out)) == 0);
}

TEST_CASE("a stream without chunks ends with the connection") {
  Stage stage;
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({}));
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\n\r\none");
  Buffer out;
  CHECK(*stage.loop.block_on((**opening).read(out)) == 3);
  peer.close();
  CHECK(*stage.loop.block_on((**opening).read(out)) == 0);
}

TEST_CASE("a stream that breaks is an error, not an end") {
  Stage stage;
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({}));
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\no");
  Buffer out;
  CHECK(*stage.loop.block_on((**opening).read(out)) == 1);
  SECTION("by its connection") {
    peer.close();
    CHECK(stage.loop.block_on((**opening).read(out)).error().code() == Errc::kClosed);
  }
  SECTION("by its framing") {
    peer.send("neXX");
    CHECK(stage.loop.block_on((**opening).read(out)).error().code() == Errc::kProtocol);
    CHECK_FALSE(stage.loop.block_on((**opening).read(out)));
  }
}

TEST_CASE("a refusal of a stream has a status and a body") {
  Stage stage;
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({}));
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 409 Conflict\r\ncontent-length: 4\r\n\r\nbusy");
  REQUIRE(opening.done());
  CHECK((**opening).status() == 409);
  Buffer out;
  while (*stage.loop.block_on((**opening).read(out)) > 0) {
  }
  CHECK(out.view() == "busy");
}

TEST_CASE("a stream goes on far beyond the limit of a body") {
  HttpClientOptions options;
  options.max_body = 100;
  Stage stage(options);
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({}));
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  REQUIRE(opening.done());
  std::size_t total = 0;
  for (int i = 0; i < 100; ++i) {
    peer.send("3e8\r\n" + std::string(1000, 'x') + "\r\n");
    Buffer out;
    while (out.size() < 1000) REQUIRE(stage.loop.block_on((**opening).read(out)));
    total += out.size();
  }
  CHECK(total == 100'000);
}

TEST_CASE("a dropped stream closes its connection") {
  Stage stage;
  Running<Result<HttpStream>> opening(stage.loop, stage.client->open_stream({}));
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\n\r\n");
  REQUIRE(opening.done());
  CHECK_FALSE(peer.ended());
  {
    const HttpStream taken(std::move(**opening));
  }
  stage.loop.poll();
  CHECK(peer.ended());
}

TEST_CASE("events go from a server to a client as they are written") {
  std::optional<async::Event> next;
  TestServer server([&next](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.start_stream("text/event-stream");
    (void)co_await exchange.write("data: 1\n\n");
    co_await next->wait();
    (void)co_await exchange.write("data: 2\n\n");
  });
  next.emplace(server.loop);
  HttpClient client(server.loop, url_of(server.path));
  Running<Result<HttpStream>> opening(server.loop, client.open_stream({}));
  REQUIRE(opening.done());
  Buffer out;
  CHECK(*server.loop.block_on((**opening).read(out)) == 9);
  next->set();
  CHECK(*server.loop.block_on((**opening).read(out)) == 9);
  CHECK(out.view() == "data: 1\n\ndata: 2\n\n");
  CHECK(*server.loop.block_on((**opening).read(out)) == 0);
}

}  // namespace
}  // namespace shed::net
