#include "shed/net/http_server.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "server_fixture.h"

namespace shed::net {
namespace {

TEST_CASE("a request is answered, and the connection kept for the next") {
  TestServer server(echo);
  Peer peer = server.connect();
  CHECK(peer.ask(get("/a?b=c")) == ok("GET /a [b=c] "));
  CHECK(peer.ask(post("/d", "body")) == ok("POST /d [] body"));
  CHECK_FALSE(peer.ended());
  CHECK(server.handler.calls == 2);
}

TEST_CASE("pipelined requests are answered in their order") {
  TestServer server(echo);
  Peer peer = server.connect();
  CHECK(peer.ask(post("/1", "one") + get("/2") + post("/3", "three") + "GET /4") ==
        ok("POST /1 [] one") + ok("GET /2 [] ") + ok("POST /3 [] three"));
  CHECK(peer.ask(" HTTP/1.1\r\nHost: h\r\n\r\n") == ok("GET /4 [] "));
}

TEST_CASE("a request may come byte by byte") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string text = post("/slow", "body");
  for (const char& byte : text.substr(0, text.size() - 1)) CHECK(peer.ask({&byte, 1}).empty());
  CHECK(peer.ask("y") == ok("POST /slow [] body"));
}

TEST_CASE("a chunked request is answered like any other") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string head = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(peer.ask(head + "3\r\none\r\n").empty());
  CHECK(peer.ask("3\r\ntwo\r\n0\r\n\r\n" + get("/n")) == ok("POST /c [] onetwo") + ok("GET /n [] "));
}

TEST_CASE("the connection ends after an answer when the client wants that") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string answer = peer.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(answer.find("connection: close\r\n") != answer.npos);
  CHECK(peer.ended());
}

TEST_CASE("a client of HTTP/1.0 gets its answer and the end of the connection") {
  TestServer server(echo);
  Peer peer = server.connect();
  const std::string answer = peer.ask("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(starts_with(answer, "HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("connection: close\r\n\r\nGET /old [] "));
  CHECK(peer.ended());
}

TEST_CASE("the answer to HEAD has the length of a body and no body") {
  TestServer server(echo);
  Peer peer = server.connect();
  CHECK(peer.ask("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n" + get("/n")) ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\n" + ok("GET /n [] "));
}

TEST_CASE("the answer 204 has neither a length nor a body") {
  TestServer server([](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.respond(204, {}, "never sent");
  });
  Peer peer = server.connect();
  CHECK(peer.ask(get("/")) == "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK_FALSE(peer.ended());
}

TEST_CASE("header lines of the handler go into the answer") {
  TestServer server([](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.respond(401, {}, {}, "www-authenticate: Bearer\r\nx: y\r\n");
  });
  Peer peer = server.connect();
  CHECK(peer.ask(get("/")) ==
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nwww-authenticate: Bearer\r\nx: y\r\n\r\n");
}

TEST_CASE("headers are found without regard to case, the first of several") {
  TestServer server([](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.respond(
        200, "text/plain",
        fmt::format("{}|{}|{}", exchange.header("x-A"), exchange.header("x-b"), exchange.header("x-c")));
  });
  Peer peer = server.connect();
  CHECK(peer.ask("GET / HTTP/1.1\r\nHost: h\r\nX-a: 1\r\nx-A: 2\r\nX-B:\r\n\r\n") == ok("1||"));
}

TEST_CASE("a request that the handler leaves unanswered gets a 500") {
  TestServer server([](HttpExchange&) -> async::Task<> { co_return; });
  Peer peer = server.connect();
  const std::string answer = peer.ask(get("/"));
  CHECK(starts_with(answer, "HTTP/1.1 500 Internal Server Error\r\n"));
  CHECK(answer.ends_with("\r\n\r\nno answer\n"));
  CHECK(starts_with(peer.ask(get("/")), "HTTP/1.1 500"));
}

TEST_CASE("a second answer is refused and does not reach the client") {
  std::vector<Errc> codes;
  TestServer server([&codes](HttpExchange& exchange) -> async::Task<> {
    (void)co_await exchange.respond(200, "text/plain", "one");
    const Status second = co_await exchange.respond(200, "text/plain", "two");
    const Status stream = co_await exchange.start_stream("text/plain");
    const Status part = co_await exchange.write("three");
    for (const Status* status : {&second, &stream, &part}) codes.push_back(status->error().code());
  });
  Peer peer = server.connect();
  CHECK(peer.ask(get("/")) == ok("one"));
  CHECK(codes == std::vector<Errc>(3, Errc::kInternal));
  CHECK_FALSE(peer.ended());
}

TEST_CASE("only loopback names are loopback hosts, with or without a port") {
  for (const char* host :
       {"localhost", "LocalHost", "localhost:80", "127.0.0.1", "127.1.2.3:9", "[::1]", "[::1]:80"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
  for (const char* host : {"",
                           ":",
                           ":80",
                           "127.0.0.1.evil.com",
                           "localhost.evil.com",
                           "evil.com",
                           "evil.com:80",
                           "localhost@evil.com",
                           "localhost:80@evil.com",
                           "localhost:evil.com",
                           "[::1].evil.com",
                           "[::1]:x",
                           "[::1",
                           "::1",
                           "[::2]",
                           "127.1",
                           "0.0.0.0",
                           "2130706433",
                           "127.0.0.1 ",
                           " localhost",
                           "128.0.0.1",
                           "127.0.0.1, evil.com"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback_host(host));
  }
  CHECK_FALSE(is_loopback_host(std::string_view("127.0.0.1\0.evil.com", 19)));
  CHECK_FALSE(is_loopback_host(std::string(10'000, '1')));
}

}  // namespace
}  // namespace shed::net
