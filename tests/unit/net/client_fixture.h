// A server that says what the test says, and a client of it.
#pragma once

#include <fcntl.h>

#include <memory>
#include <string>
#include <string_view>

#include "net_fixture.h"
#include "shed/net/http_client.h"

namespace shed::net {

inline Url url_of(const std::string& path) { return *parse_url("http+unix://" + path + ":/"); }

// Made anew for each test, on a clock that stands still.
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

inline HttpResponse& answer_of(Pending& pending) {
  REQUIRE(pending->done());
  Result<HttpResponse>& response = **pending;
  INFO((response ? "" : response.error().text()));
  REQUIRE(response);
  return *response;
}

inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

// The answer's error, after the peer has sent `answer` and closed.
inline Error error_after(Stage& stage, std::string_view answer) {
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(answer);
  peer.close();
  REQUIRE(response->done());
  REQUIRE_FALSE(**response);
  return (**response).error();
}

}  // namespace shed::net
