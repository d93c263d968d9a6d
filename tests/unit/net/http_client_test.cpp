#include "shed/net/http_client.h"

#include <catch2/catch.hpp>
#include <string>

#include "client_fixture.h"

namespace shed::net {
namespace {

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

}  // namespace
}  // namespace shed::net
