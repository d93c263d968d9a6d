#include "shed/net/http_server.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "net_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

// Says what it was asked.
async::Task<> echo(HttpExchange& exchange) {
  const std::string body =
      fmt::format("{} {} [{}] {}", exchange.method(), exchange.path(), exchange.query(), exchange.body());
  (void)co_await exchange.respond(200, "text/plain", body);
}

async::Task<> refuse_large(HttpExchange& exchange) {
  if (exchange.body_too_large()) {
    (void)co_await exchange.respond(413, "text/plain", "too large\n");
  } else {
    (void)co_await exchange.respond(200, "text/plain", fmt::format("{}", exchange.body().size()));
  }
}

std::string get(std::string_view path) { return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path); }
std::string post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
}
std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{}",
                     body.size(), body);
}
bool starts_with(const std::string& text, std::string_view start) { return text.starts_with(start); }

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

// Limits.

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

TEST_CASE("a client that sends a body too large to its end still gets the answer") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  CHECK(peer.send(post("/", std::string(1'000'000, 'x'))));
  CHECK(starts_with(peer.received(), "HTTP/1.1 413"));
  peer.shut_down_writing();
  CHECK(peer.ended());
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

TEST_CASE("what is thrown away after a refusal ends after a second") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  peer.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  server.pass(999ms);
  CHECK(peer.send("x"));
  server.pass(1ms);
  CHECK_FALSE(peer.send("x"));
}

TEST_CASE("what is thrown away after a refusal ends after some megabytes") {
  TestServer server(refuse_large, small_limits());
  Peer peer = server.connect();
  CHECK_FALSE(peer.send(post("/", std::string(16'000'000, 'x'))));
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

TEST_CASE("a request that comes too slowly gets a 408") {
  TestServer server(echo);
  Peer peer = server.connect();
  peer.send("POST / HTTP/1.1\r\n");
  for (int i = 0; i < 9; ++i) {
    server.pass(1s);
    CHECK(peer.ask("A: b\r\n").empty());
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

// Streams.

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

// Host headers.

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
