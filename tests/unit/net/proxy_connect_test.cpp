#include <catch2/catch.hpp>

#include "tls_fixture.h"

namespace shed::net {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

constexpr std::string_view kOpened = "HTTP/1.1 200 Connection established\r\n\r\n";

// A client of https://localhost:8443 through a proxy at the stage's socket.
class ProxyStage : public TlsStage {
 public:
  explicit ProxyStage(bool tls = false, const std::string& login = "", const TlsOptions* context = nullptr)
      : TlsStage(through(tls, login), context) {
    // TlsStage made a client of its socket; this one's socket is the proxy's.
    HttpClientOptions options = through(tls, login);
    options.proxy->address = unix_at(path);
    options.proxy->address.host = "localhost";
    auto made = TlsContext::create(context != nullptr ? *context : authority_.options());
    REQUIRE(made);
    options.tls = *made;
    client.emplace(loop, *parse_url("https://localhost:8443"), std::move(options));
  }

  static HttpClientOptions through(bool tls, const std::string& login) {
    HttpClientOptions options;
    options.proxy = Proxy(Address{}, tls, login);
    return options;
  }

 private:
  AuthorityFile authority_;
};

Error error_of(Pending& response) {
  REQUIRE(response->done());
  REQUIRE_FALSE(**response);
  return (**response).error();
}

// The error after the proxy has said this, and closed.
Error error_after(ProxyStage& stage, std::string_view answer) {
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(answer);
  peer.close();
  return error_of(response);
}

TEST_CASE("a request goes through the tunnel that the proxy opens") {
  ProxyStage stage;
  auto response = stage.get("/p");
  Peer peer = stage.accept();
  CHECK(peer.received() == "CONNECT localhost:8443 HTTP/1.1\r\nhost: localhost:8443\r\n\r\n");
  peer.send(GENERATE(as<std::string>(), std::string(kOpened), "HTTP/1.0 200 OK\r\nvia: x\r\n\r\n",
                     "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
  TlsPeer origin(stage.loop, std::move(peer));
  REQUIRE(origin.accept());
  CHECK(origin.received() == "GET /p HTTP/1.1\r\nhost: localhost:8443\r\n\r\n");
  origin.send(kOk);
  CHECK(answer_of(response).body() == "ok");
  response.reset();
  auto next = stage.get("/again");
  CHECK(stage.nobody_comes());
  CHECK_THAT(origin.received(), StartsWith("GET /again "));
}

TEST_CASE("the login goes to the proxy and nowhere else") {
  ProxyStage stage(false, "Basic c2VjcmV0");
  auto response = stage.get();
  Peer peer = stage.accept();
  CHECK_THAT(peer.received(), Contains("\r\nproxy-authorization: Basic c2VjcmV0\r\n\r\n"));
  peer.send(kOpened);
  TlsPeer origin(stage.loop, std::move(peer));
  REQUIRE(origin.accept());
  CHECK_THAT(origin.received(), !Contains("uthorization"));
}

TEST_CASE("the certificate behind the tunnel is the origin's, and is verified") {
  ProxyStage stage;
  const Identity other({.names = "DNS:proxy.example"}, &test_authority());
  auto response = stage.get();
  Peer peer = stage.accept();
  (void)peer.received();
  peer.send(kOpened);
  TlsPeer origin(stage.loop, std::move(peer), {.identity = &other});
  CHECK_FALSE(origin.accept());
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kRefused);
  CHECK(error.text() == "TLS with localhost:8443: the certificate is for proxy.example, not for localhost");
}

TEST_CASE("a proxy that wants a login is named, and so is what it wants") {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: "
      "9\r\n\r\ngo away!\n";
  ProxyStage without;
  const Error error = error_after(without, kAnswer);
  CHECK(error.code() == Errc::kUnavailable);
  CHECK(error.text() ==
        "proxy unix:" + without.path + ": it wants a login, like http://user:password@host:port (407)");
  ProxyStage with(false, "Basic c2VjcmV0");
  CHECK_THAT(error_after(with, kAnswer).text(),
             EndsWith(": it wants another login than the one that it got (407)"));
}

TEST_CASE("a proxy that refuses is an error with its status") {
  const auto status = GENERATE(502, 403, 504, 302, 100, 101);
  ProxyStage stage;
  const Error error = error_after(stage, fmt::format("HTTP/1.1 {} Sorry\r\n\r\n", status));
  CHECK(error.code() == Errc::kUnavailable);
  CHECK_THAT(error.text(), EndsWith(fmt::format(": it answered CONNECT with {}", status)));
}

TEST_CASE("a proxy that answers with something else is an error") {
  const auto [answer, code] = GENERATE(table<std::string, Errc>({
      {"", Errc::kUnavailable},
      {"HTTP/1.1 200", Errc::kUnavailable},
      {"nonsense\r\n\r\n", Errc::kProtocol},
      {std::string("\x16\x03\x03\x00\x40", 5), Errc::kProtocol},
      {"HTTP/1.1 200 OK\nfoo: bar\n\n", Errc::kProtocol},
      {"HTTP/1.1 200 OK\r\nx: " + std::string(20'000, 'x'), Errc::kLimit},
  }));
  CAPTURE(answer);
  ProxyStage stage;
  const Error error = error_after(stage, answer);
  CHECK(error.code() == code);
  CHECK_THAT(error.text(), StartsWith("proxy "));
}

TEST_CASE("bytes behind the proxy's answer are not taken for the origin's") {
  ProxyStage stage;
  const Error error = error_after(stage, std::string(kOpened) + "\x16\x03\x03");
  CHECK(error.code() == Errc::kProtocol);
  CHECK_THAT(error.text(), EndsWith(": it sent more than its answer to CONNECT"));
}

TEST_CASE("a proxy that hangs is given up after the connect limit") {
  ProxyStage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  const bool opened = GENERATE(false, true);
  if (opened) {
    stage.pass(1'500ms);
    peer.send(kOpened);
    stage.pass(499ms);
  } else {
    stage.pass(1'999ms);
  }
  CHECK_FALSE(response->done());
  stage.pass(1ms);
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kTimeout);
  CHECK(error.text() ==
        (opened ? "TLS with localhost:8443" : "proxy unix:" + stage.path) + ": no answer within 2s");
  CHECK(peer.ended());
}

TEST_CASE("a proxy that is not there is an error that says proxy") {
  ProxyStage stage;
  HttpClientOptions options = ProxyStage::through(false, "");
  options.proxy->address = unix_at(stage.folder / "none.sock");
  stage.client.emplace(stage.loop, *parse_url("https://localhost:8443"), options);
  auto response = stage.get();
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kUnavailable);
  CHECK_THAT(error.text(), StartsWith("proxy: connect to "));
}

TEST_CASE("a request that is dropped while the proxy thinks leaves nothing behind") {
  ProxyStage stage;
  auto response = stage.get();
  Peer peer = stage.accept();
  response->drop();
  CHECK(peer.ended());
}

TEST_CASE("an origin without TLS is not proxied") {
  Stage stage;
  HttpClientOptions options = ProxyStage::through(false, "");
  options.proxy->address = unix_at(stage.folder / "none.sock");
  stage.client.emplace(stage.loop, url_of(stage.path), options);
  auto response = stage.get();
  Peer peer = stage.accept();
  peer.send(kOk);
  CHECK(answer_of(response).body() == "ok");
}

TEST_CASE("TLS with the proxy holds the tunnel, and TLS with the origin is inside it") {
  ProxyStage stage(true);
  auto response = stage.get("/p");
  TlsPeer proxy = stage.accept_tls();
  CHECK_THAT(proxy.received(), StartsWith("CONNECT localhost:8443 HTTP/1.1\r\n"));
  proxy.send(kOpened);
  TlsPeer origin(stage.loop, proxy);
  INFO(origin.failure());
  REQUIRE(origin.accept());
  CHECK_THAT(origin.received(), StartsWith("GET /p "));
  const std::string body(900'000, 'x');
  origin.send(fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.size(), body));
  CHECK((answer_of(response).body() == body));
  response.reset();
  auto next = stage.get("/again");
  CHECK(stage.nobody_comes());
  CHECK_THAT(origin.received(), StartsWith("GET /again "));
  next->drop();
  (void)origin.received();
  CHECK(origin.ended());
}

TEST_CASE("a proxy whose certificate is not accepted gets no login") {
  ProxyStage stage(true, "Basic c2VjcmV0");
  const Identity other({.names = "DNS:other.example"}, &test_authority());
  auto response = stage.get();
  TlsPeer proxy(stage.loop, stage.accept(), {.identity = &other});
  CHECK_FALSE(proxy.accept());
  const Error error = error_of(response);
  CHECK(error.code() == Errc::kRefused);
  CHECK_THAT(error.text(),
             StartsWith("proxy ") && EndsWith("the certificate is for other.example, not for localhost"));
}

TEST_CASE("the origin's pin is not asked of the proxy") {
  const Identity pinned;
  const AuthorityFile authority;
  const TlsOptions options{.ca_file = authority.path, .pin = pinned.pin()};
  ProxyStage stage(true, "", &options);
  auto response = stage.get();
  TlsPeer proxy = stage.accept_tls();
  (void)proxy.received();
  proxy.send(kOpened);
  TlsPeer origin(stage.loop, proxy, {.identity = &pinned});
  CHECK(origin.accept());
}

}  // namespace
}  // namespace shed::net
