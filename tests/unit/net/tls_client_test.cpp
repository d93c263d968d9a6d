#include <catch2/catch.hpp>

#include "support/environment_variable.h"
#include "tls_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;
using Catch::EndsWith;
using Catch::StartsWith;

TEST_CASE("a request and its answer go through TLS") {
  TlsStage stage;
  auto response = stage.send({.method = "POST", .path = "/p", .headers = "x-a: b\r\n", .body = "{}"});
  TlsPeer peer = stage.accept_tls();
  CHECK(peer.received() == "POST /p HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nx-a: b\r\n\r\n{}");
  peer.send(kOk);
  CHECK(answer_of(response).body() == "ok");
}

TEST_CASE("a connection with TLS is used again, session tickets or not") {
  TlsStage stage;
  std::optional<TlsPeer> peer;
  for (int i = 0; i < 5; ++i) {
    auto response = stage.get();
    if (!peer) peer.emplace(stage.accept_tls());
    CHECK_THAT(peer->received(), StartsWith("GET / HTTP/1.1"));
    peer->send(kOk);
    CHECK(answer_of(response).body() == "ok");
    SSL_new_session_ticket(peer->native());
    SSL_do_handshake(peer->native());
  }
  CHECK(stage.nobody_comes());
}

TEST_CASE("a connection with TLS that the server ended while it was idle is replaced") {
  const bool politely = GENERATE(true, false);
  TlsStage stage;
  {
    auto response = stage.get();
    TlsPeer peer = stage.accept_tls();
    (void)peer.received();
    peer.send(kOk);
    CHECK(answer_of(response).body() == "ok");
    response.reset();
    politely ? peer.close() : peer.cut();
  }
  auto response = stage.get();
  TlsPeer peer = stage.accept_tls();
  peer.send(kOk);
  CHECK(answer_of(response).body() == "ok");
}

TEST_CASE("a connection with TLS on which unasked bytes came is not used again") {
  TlsStage stage;
  auto response = stage.get();
  TlsPeer peer = stage.accept_tls();
  peer.send(kOk);
  CHECK(answer_of(response).body() == "ok");
  response.reset();
  peer.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged");
  auto next = stage.get();
  TlsPeer fresh = stage.accept_tls();
  fresh.send(kOk);
  CHECK(answer_of(next).body() == "ok");
}

TEST_CASE("bodies of several MiB go both ways through TLS") {
  HttpClientOptions options;
  options.max_body = 8 * 1024 * 1024;
  TlsStage stage(options);
  const std::string up(3'000'000, 'u'), down(3'000'000, 'd');
  auto response = stage.send({.method = "POST", .path = "/", .body = up});
  TlsPeer peer = stage.accept_tls();
  std::string got;
  for (int i = 0; i < 1000 && got.size() < up.size(); ++i) got += peer.received();
  CHECK_THAT(got, EndsWith(up));
  CHECK(peer.send(fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", down.size()) + down));
  CHECK((answer_of(response).body() == down));
}

TEST_CASE("a body that ends with the connection is whole with TLS's goodbye, and an error without") {
  TlsStage stage;
  auto response = stage.get();
  TlsPeer peer = stage.accept_tls();
  (void)peer.received();
  peer.send("HTTP/1.1 200 OK\r\n\r\nall of it");
  SECTION("with") {
    peer.close();
    CHECK(answer_of(response).body() == "all of it");
  }
  SECTION("without") {
    peer.cut();
    REQUIRE(response->done());
    REQUIRE_FALSE(**response);
    CHECK((**response).error().code() == Errc::kClosed);
    CHECK_THAT((**response).error().text(),
               EndsWith("the connection was cut off (TLS without close_notify)"));
  }
}

TEST_CASE("a server that refuses a large body before it is read is understood") {
  TlsStage stage;
  const std::string body(8'000'000, 'x');
  auto response = stage.send({.method = "POST", .path = "/", .body = body});
  TlsPeer peer = stage.accept_tls();
  peer.send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
  peer.goodbye();
  peer.raw().shut_down_writing();
  // A unix socket that is closed with bytes unread is reset, as TCP is; so the test reads them.
  while (!response->done() && !peer.raw().received().empty()) continue;
  peer.cut();
  REQUIRE(response->done());
  CHECK(answer_of(response).status() == 413);
}

TEST_CASE("a stream goes through TLS, part by part") {
  TlsStage stage;
  auto opened = std::make_unique<Running<Result<HttpStream>>>(stage.loop, stage.client->open_stream({}));
  TlsPeer peer = stage.accept_tls();
  peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
  REQUIRE(opened->done());
  REQUIRE(**opened);
  HttpStream stream = std::move(***opened);
  Buffer body;
  Running<Result<std::size_t>> first(stage.loop, stream.read(body));
  REQUIRE(first.done());
  CHECK(body.view() == "one");
  Running<Result<std::size_t>> second(stage.loop, stream.read(body));
  CHECK_FALSE(second.done());
  peer.send("3\r\ntwo\r\n0\r\n\r\n");
  REQUIRE(second.done());
  CHECK(body.view() == "onetwo");
}

// What goes wrong

Error error_of(Pending& response) {
  REQUIRE(response->done());
  REQUIRE_FALSE(**response);
  return (**response).error();
}

TEST_CASE("a certificate that is not accepted fails the request, and names the server") {
  TlsStage stage;
  const Identity other({.names = "DNS:other.example"}, &test_authority());
  auto response = stage.get();
  TlsPeer peer(stage.loop, stage.accept(), {.identity = &other});
  CHECK_FALSE(peer.accept());
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kRefused);
  CHECK_THAT(error.text(), StartsWith("TLS with ") &&
                               EndsWith(": the certificate is for other.example, not for localhost"));
}

TEST_CASE("nothing of a request is sent before the certificate is accepted") {
  const std::string wrong = "sha256:" + std::string(64, '0');
  const TlsOptions pinned{.ca_file = "", .pin = wrong};
  TlsStage stage({}, &pinned);
  auto response = stage.send({.headers = "authorization: Bearer token\r\n"});
  TlsPeer peer(stage.loop, stage.accept());
  CHECK_FALSE(peer.accept());
  CHECK(error_of(response).code() == Errc::kRefused);
}

TEST_CASE("a server that hangs in the handshake is given up after the connect limit") {
  TlsStage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  const bool halfway = GENERATE(false, true);
  if (halfway) peer.send(std::string("\x16\x03\x03\x00\x40", 5));
  stage.pass(1'999ms);
  CHECK_FALSE(response->done());
  stage.pass(1ms);
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kTimeout);
  CHECK_THAT(error.text(), StartsWith("TLS with ") && EndsWith(": no answer within 2s"));
  CHECK(peer.ended());
}

TEST_CASE("a server that speaks plain HTTP is a clear error") {
  TlsStage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kProtocol);
  CHECK_THAT(error.text(), EndsWith(": the peer does not speak TLS; is it plain http?"));
}

TEST_CASE("a request that is dropped gives its place back, wherever TLS was") {
  HttpClientOptions options;
  options.max_connections = 1;
  TlsStage stage(options);
  SECTION("in the handshake") {
    auto one = stage.get("/1");
    Peer first = stage.accept();
    auto two = stage.get("/2");
    CHECK(stage.nobody_comes());
    one->drop();
    CHECK_THAT(stage.accept_tls().received(), StartsWith("GET /2 "));
    CHECK(first.ended());
  }
  SECTION("in the middle of the answer") {
    auto one = stage.get("/1");
    TlsPeer first = stage.accept_tls();
    first.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    auto two = stage.get("/2");
    one->drop();
    CHECK_THAT(stage.accept_tls().received(), StartsWith("GET /2 "));
    (void)first.received();
    CHECK(first.ended());
  }
  SECTION("in the middle of the request's body") {
    const std::string body(8'000'000, 'x');
    auto one = stage.send({.method = "POST", .path = "/1", .body = body});
    TlsPeer first = stage.accept_tls();
    CHECK_FALSE(one->done());
    auto two = stage.get("/2");
    one->drop();
    CHECK_THAT(stage.accept_tls().received(), StartsWith("GET /2 "));
  }
}

TEST_CASE("a client without a TLS context takes the system's roots") {
  const TemporaryFolder folder;
  const std::string path = folder / "roots.pem";
  write_text(path, test_authority().pem());
  const EnvironmentVariable roots("SSL_CERT_FILE", path);
  TlsStage stage;
  stage.client.emplace(stage.loop, stage.origin(), HttpClientOptions{});
  auto response = stage.get();
  TlsPeer peer(stage.loop, stage.accept());
  while (!peer.accept() && !response->done()) continue;
  peer.send(kOk);
  CHECK(answer_of(response).body() == "ok");
}

}  // namespace
}  // namespace shed::net
