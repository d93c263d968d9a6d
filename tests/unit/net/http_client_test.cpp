#include "shed/net/http_client.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "net_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;

Url url_of(const std::string& path) { return *parse_url("http+unix://" + path + ":/"); }

// A server that says what the test says, and a client of it.
class Stage {
 public:
  explicit Stage(HttpClientOptions options = {}) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un native = native_address(path);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
    REQUIRE(::listen(fd_.get(), 100) == 0);
    REQUIRE(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
    client.emplace(loop, url_of(path), options);
  }

  // The next connection that the client has made.
  Peer accept() {
    REQUIRE_FALSE(nobody_comes());
    return Peer(loop, std::move(next_));
  }
  bool nobody_comes() {
    loop.poll();
    if (!next_) next_ = UniqueFd(::accept(fd_.get(), nullptr, nullptr));
    return !next_;
  }
  auto send(HttpRequest request) {
    return std::make_unique<Running<Result<HttpResponse>>>(loop, client->send(request));
  }
  auto get(std::string_view where = "/") { return send({.path = where}); }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  FakeClock clock;
  async::Loop loop{clock};
  TemporaryFolder folder;
  std::string path = folder / "server.sock";
  std::optional<HttpClient> client;

 private:
  UniqueFd fd_;
  UniqueFd next_;
};

using Pending = std::unique_ptr<Running<Result<HttpResponse>>>;

HttpResponse& answer_of(Pending& pending) {
  REQUIRE(pending->done());
  Result<HttpResponse>& response = **pending;
  INFO((response ? "" : response.error().text()));
  REQUIRE(response);
  return *response;
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

// The answer's error, after the peer has sent `answer` and closed.
Error error_after(Stage& stage, std::string_view answer) {
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(answer);
  peer.close();
  REQUIRE(response->done());
  REQUIRE_FALSE(**response);
  return (**response).error();
}

TEST_CASE("a request has a line, a host and the headers that it needs") {
  Stage stage;
  auto get = stage.send({.path = "/a?b", .headers = "x: y\r\n"});
  Peer peer = stage.accept();
  CHECK(peer.received() == "GET /a?b HTTP/1.1\r\nhost: localhost\r\nx: y\r\n\r\n");
  auto post = stage.send({.method = "POST", .path = "/p", .content_type = "application/json", .body = "{}"});
  CHECK(
      stage.accept().received() ==
      "POST /p HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
  auto empty = stage.send({.method = "POST"});
  CHECK(stage.accept().received() == "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
  auto unusual = stage.send({.method = "GET", .body = "{}"});
  CHECK(stage.accept().received() == "GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}");
}

TEST_CASE("a request that would break its lines is not sent") {
  const auto request = GENERATE(values<HttpRequest>({{.method = ""},
                                                     {.method = "GET /x"},
                                                     {.method = "GET\r\n"},
                                                     {.path = ""},
                                                     {.path = "x"},
                                                     {.path = "/a b"},
                                                     {.path = "/a\r\nx: y"},
                                                     {.headers = "x: y"},
                                                     {.headers = "\r\nGET"},
                                                     {.headers = "x: y\r\n\r\n"},
                                                     {.headers = "x: y\r\n\r\nGET / HTTP/1.1\r\n"}}));
  Stage stage;
  auto response = stage.send(request);
  REQUIRE(response->done());
  REQUIRE_FALSE(**response);
  CHECK((**response).error().code() == Errc::kInvalid);
  CHECK(stage.nobody_comes());
}

TEST_CASE("an answer is a status, headers and a body") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 403 Forbidden\r\nX-Reason: policy \r\nEmpty:\r\nContent-Length: 4\r\n\r\nbo");
  CHECK_FALSE(response->done());
  peer.send("dy");
  REQUIRE(response->done());
  const HttpResponse& answer = answer_of(response);
  CHECK(answer.status() == 403);
  CHECK(answer.header("x-reason") == "policy");
  CHECK(answer.header("empty").empty());
  CHECK(answer.header("absent").empty());
  CHECK(answer.body() == "body");
}

TEST_CASE("an answer means the same wherever it is split") {
  const std::string text =
      "HTTP/1.1 100 Continue\r\na: 1\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
  Stage stage;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    HttpClient client(stage.loop, url_of(stage.path));
    Running<Result<HttpResponse>> response(stage.loop, client.send({}));
    Peer peer = stage.accept();
    peer.send(std::string_view(text).substr(0, i));
    peer.send(std::string_view(text).substr(i));
    REQUIRE(response.done());
    REQUIRE(*response);
    CHECK((**response).body() == "abcde");
    CHECK((**response).header("x") == "y");
    CHECK((**response).header("a").empty());
    CHECK((**response).status() == 200);
  }
}

TEST_CASE("answers before the answer are passed over, up to a bound") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
  CHECK_FALSE(response->done());
  peer.send(kOk);
  REQUIRE(response->done());
  CHECK(answer_of(response).body() == "ok");

  std::string many;
  for (int i = 0; i < 9; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
  Stage other;
  CHECK(error_after(other, many + std::string(kOk)).code() == Errc::kProtocol);
}

TEST_CASE("a switch of protocols that nobody asked for is an error") {
  Stage stage;
  CHECK(error_after(stage, "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nzzz").code() ==
        Errc::kProtocol);
}

TEST_CASE("the answer to HEAD is complete after its header") {
  Stage stage;
  auto response = stage.send({.method = "HEAD"});
  Peer peer = stage.accept();
  CHECK(peer.received() == "HEAD / HTTP/1.1\r\nhost: localhost\r\n\r\n");
  peer.send("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n");
  REQUIRE(response->done());
  CHECK(answer_of(response).header("content-length") == "500");
  CHECK(answer_of(response).body().empty());
  response.reset();
  auto next = stage.get();
  peer.received();
  peer.send(kOk);
  REQUIRE(next->done());
  CHECK(answer_of(next).body() == "ok");
}

TEST_CASE("an answer without a length goes to the end of the connection, which is not used again") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\n\r\nto the ");
  peer.send("end");
  CHECK_FALSE(response->done());
  peer.close();
  REQUIRE(response->done());
  CHECK(answer_of(response).body() == "to the end");
  response.reset();
  auto next = stage.get();
  CHECK(stage.accept().received().starts_with("GET"));
}

TEST_CASE("an answer that the server closes after, or in, is told apart") {
  Stage stage;
  CHECK(error_after(stage, "").code() == Errc::kClosed);
  CHECK(error_after(stage, "HTTP/1.1 200").code() == Errc::kClosed);
  CHECK(error_after(stage, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").code() == Errc::kClosed);
  CHECK(error_after(stage, "HTTP/1.1 100 Continue\r\n\r\n").code() == Errc::kClosed);
  CHECK(error_after(stage, "").text() == "unix:" + stage.path + ": the connection was closed");
}

TEST_CASE("an answer that is not HTTP is an error") {
  Stage stage;
  CHECK(error_after(stage, "SSH-2.0-OpenSSH_9.2\r\n").code() == Errc::kProtocol);
  CHECK(error_after(stage, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n").code() ==
        Errc::kProtocol);
  CHECK(error_after(stage, std::string("\0\0\0\5\6", 5)).code() == Errc::kProtocol);
}

TEST_CASE("an answer over a limit is refused") {
  HttpClientOptions options;
  options.max_header = 512;
  options.max_body = 100;
  Stage stage(options);
  CHECK(error_after(stage, "HTTP/1.1 200 OK\r\na: " + std::string(1000, 'x')).code() == Errc::kLimit);
  const Error announced = error_after(stage, "HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n");
  CHECK(announced.code() == Errc::kLimit);
  CHECK(announced.text() == "unix:" + stage.path + ": the answer is longer than 100 bytes");
  CHECK(error_after(stage, "HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x')).code() == Errc::kLimit);
  CHECK(error_after(stage,
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x'))
            .code() == Errc::kLimit);
}

TEST_CASE("an answer that comes before the request is read to its end counts") {
  Stage stage;
  const std::string body(8'000'000, 'x');
  auto response = stage.send({.method = "POST", .body = body});
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  peer.reset();
  REQUIRE(response->done());
  REQUIRE(**response);
  CHECK(answer_of(response).status() == 413);
}

TEST_CASE("a server that nobody runs is unavailable at once") {
  FakeClock clock;
  async::Loop loop(clock);
  TemporaryFolder folder;
  HttpClient client(loop, url_of(folder / "a.sock"));
  const auto response = loop.block_on(client.send({}));
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == Errc::kUnavailable);
  CHECK(response.error().text() == "connect to " + (folder / "a.sock") + ": no such file or directory");
  CHECK(loop.block_on(client.open_stream({})).error().code() == Errc::kUnavailable);
}

TEST_CASE("a body that was wiped reads as zeros, the rest of the answer stays") {
  Stage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send("HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nkey\r\n3\r\nkey\r\n0\r\n\r\n");
  REQUIRE(response->done());
  HttpResponse& answer = answer_of(response);
  const std::string_view body = answer.body();
  CHECK(body == "keykey");
  answer.wipe_body();
  CHECK(answer.body() == std::string(6, '\0'));
  CHECK(std::string_view(body.data(), 20).find("key") == body.npos);
  CHECK(answer.header("a") == "b");
  CHECK(answer.status() == 200);
}

// Connections.

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

// Streams.

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
