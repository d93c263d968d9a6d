// A handler says from the header alone whether it wants the body.
#include <catch2/catch.hpp>
#include <string>

#include "server_fixture.h"
#include "shed/net/http_server.h"

namespace shed::net {
namespace {

const std::string kHead = "POST /p HTTP/1.1\r\nHost: h\r\nToken: right\r\nContent-Length: 8\r\n\r\n";

bool nothing(const HttpExchange&) { return false; }

async::Task<> refuse(HttpExchange& exchange) {
  (void)co_await exchange.respond(403, "text/plain", fmt::format("[{}]", exchange.body()));
}

bool is_refusal(const std::string& answer) {
  return answer ==
         "HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: "
         "close\r\n\r\n[]";
}

TEST_CASE("a body that is not wanted is answered before it comes") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(is_refusal(peer.ask(kHead)));
}

TEST_CASE("the begin of a body that is not wanted does not reach the handler") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(is_refusal(peer.ask(kHead + "half")));
}

TEST_CASE("a chunked body that is not wanted is answered before it comes") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(is_refusal(peer.ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")));
}

TEST_CASE("nothing that follows a body which is not wanted is taken for a request") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(is_refusal(peer.ask(kHead)));
  CHECK(peer.ask(get("/inside") + get("/behind")).empty());
  CHECK(server.handler.calls == 1);
}

TEST_CASE("a client that sends a body which is not wanted to its end still gets the answer") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
  CHECK(peer.send(std::string(1'000'000, 'x')));
  CHECK(is_refusal(peer.received()));
  peer.shut_down_writing();
  CHECK(peer.ended());
}

TEST_CASE("100 Continue is not sent for a body that the handler does not want") {
  TestServer server(refuse);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(is_refusal(
      peer.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")));
}

TEST_CASE("the handler knows the header when it is asked for a body, and is asked once") {
  TestServer server(echo);
  std::string seen;
  server.handler.wants = [&seen](const HttpExchange& exchange) {
    seen += fmt::format("{} {} {}|{}", exchange.method(), exchange.path(), exchange.header("token"),
                        exchange.body_too_large());
    return true;
  };
  Peer peer = server.connect();
  peer.send(kHead.substr(0, 20));
  CHECK(seen.empty());
  peer.send(kHead.substr(20));
  CHECK(seen == "POST /p right|false");
  CHECK(peer.ask("half").empty());
  CHECK(peer.ask("done") == ok("POST /p [] halfdone"));
  CHECK(server.handler.asked == 1);
}

TEST_CASE("the handler is asked for each body of a connection") {
  TestServer server(echo);
  Peer peer = server.connect();
  for (int i = 1; i <= 3; ++i) {
    peer.send(kHead);
    CHECK(server.handler.asked == i);
    CHECK(peer.ask("halfdone") == ok("POST /p [] halfdone"));
  }
}

TEST_CASE("the handler is not asked where there is nothing more to come") {
  TestServer server(echo);
  server.handler.wants = nothing;
  Peer peer = server.connect();
  CHECK(peer.ask(get("/g")) == ok("GET /g [] "));
  CHECK(peer.ask(post("/p", "")) == ok("POST /p [] "));
  CHECK(peer.ask(post("/p", "all")) == ok("POST /p [] all"));
  CHECK(server.handler.asked == 0);
}

TEST_CASE("the handler is not asked for a body that is too large for anybody") {
  HttpServerOptions options;
  options.max_body = 7;
  TestServer server(refuse_large, options);
  Peer peer = server.connect();
  CHECK(starts_with(peer.ask(kHead), "HTTP/1.1 413 "));
  CHECK(server.handler.asked == 0);
}

}  // namespace
}  // namespace shed::net
