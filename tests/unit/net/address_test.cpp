#include "shed/net/address.h"

#include <catch2/catch.hpp>

#include "net_fixture.h"
#include "shed/async/loop.h"

namespace shed::net {
namespace {

using namespace std::string_literals;

TEST_CASE("an address is a unix socket, or a host and a port") {
  CHECK(parse_address("unix:/run/a.sock")->unix_path == "/run/a.sock");
  CHECK(parse_address("unix:///run/a.sock")->unix_path == "/run/a.sock");
  const auto tcp = parse_address("127.0.0.1:498");
  REQUIRE(tcp);
  CHECK(tcp->host == "127.0.0.1");
  CHECK(tcp->port == 498);
  CHECK_FALSE(tcp->is_unix());
  CHECK(parse_address("[::1]:80")->host == "::1");
  CHECK(parse_address("bus.example:65535")->port == 65535);
}

TEST_CASE("an address is written as it is read") {
  for (const char* text : {"unix:/run/a.sock", "127.0.0.1:498", "[::1]:498", "localhost:1"}) {
    CHECK(parse_address(text)->text() == text);
  }
}

TEST_CASE("what is no address is refused") {
  const auto text = GENERATE(values<std::string>({"",
                                                  ":",
                                                  ":80",
                                                  "host",
                                                  "host:",
                                                  "host:x",
                                                  "host:-1",
                                                  "host:+1",
                                                  "host:65536",
                                                  "host:80x",
                                                  "host: 80",
                                                  "::1:80",
                                                  "[::1]",
                                                  "[::1",
                                                  "[::1]80",
                                                  "[]:80",
                                                  "[host]:80",
                                                  "[127.0.0.1]:80",
                                                  "a b:80",
                                                  "user@host:80",
                                                  "host/path:80",
                                                  "127.0.0.1\0.evil:80"s,
                                                  "h\xc3\xb6st:80",
                                                  "unix:",
                                                  "unix:relative",
                                                  "unix://relative",
                                                  "unix:/a\0b"s}));
  CAPTURE(text);
  const auto address = parse_address(text);
  REQUIRE_FALSE(address);
  CHECK(address.error().code() == Errc::kInvalid);
}

TEST_CASE("a socket path is taken up to the system's limit, and never cut") {
  const std::string longest = "/" + std::string(kMaxSocketPath - 1, 'a');
  CHECK(parse_address("unix:" + longest)->unix_path == longest);
  const auto longer = parse_address("unix:" + longest + "a");
  REQUIRE_FALSE(longer);
  CHECK(longer.error().code() == Errc::kLimit);
  CHECK_THAT(longer.error().text(),
             Catch::EndsWith(fmt::format("the path has {} bytes, a unix socket's may have {}",
                                         kMaxSocketPath + 1, kMaxSocketPath)));
}

TEST_CASE("only loopback literals, localhost and unix sockets are local") {
  const auto local = [](std::string host) {
    Address address;
    address.host = std::move(host);
    return address.is_local();
  };
  CHECK(unix_at("/run/a.sock").is_local());
  for (const char* host : {"127.0.0.1", "127.255.1.2", "::1", "0:0:0:0:0:0:0:1", "localhost"})
    CHECK(local(host));
  for (const char* host : {"128.0.0.1", "10.0.0.1", "::", "::2", "localhost.evil.com", "127.0.0.1.evil.com",
                           "127.1", "0x7f.0.0.1", "", "example.com"}) {
    CAPTURE(host);
    CHECK_FALSE(local(host));
  }
  CHECK_FALSE(local("127.0.0.1\0.evil.com"s));
}

struct UrlCase {
  std::string text, address, path, host_header;
};

TEST_CASE("a URL names an address, a path and a host header") {
  const auto c = GENERATE(values<UrlCase>({
      {"http://127.0.0.1:498/v1/publish", "127.0.0.1:498", "/v1/publish", "127.0.0.1:498"},
      {"http://bus.example/x?a=b", "bus.example:80", "/x?a=b", "bus.example"},
      {"http://localhost:8080", "localhost:8080", "/", "localhost:8080"},
      {"http://localhost:8080/", "localhost:8080", "/", "localhost:8080"},
      {"http://localhost?x=1", "localhost:80", "/?x=1", "localhost"},
      {"http://[::1]:9/p", "[::1]:9", "/p", "[::1]:9"},
      {"http://[::1]/p", "[::1]:80", "/p", "[::1]"},
      {"http+unix:///a/b.sock:/v1/publish", "unix:/a/b.sock", "/v1/publish", "localhost"},
      {"http+unix:///a/b.sock", "unix:/a/b.sock", "/", "localhost"},
      {"http+unix:///Application Support/b.sock:/p", "unix:/Application Support/b.sock", "/p", "localhost"},
      {"unix:///a/b.sock", "unix:/a/b.sock", "/", "localhost"},
      {"unix:///a/b:c.sock", "unix:/a/b:c.sock", "/", "localhost"},
  }));
  CAPTURE(c.text);
  const auto url = parse_url(c.text);
  REQUIRE(url);
  CHECK(url->address.text() == c.address);
  CHECK(url->path == c.path);
  CHECK(url->host_header == c.host_header);
}

TEST_CASE("what could break a request line or means something else is no URL") {
  const auto text = GENERATE(values<std::string>({"",
                                                  "http://",
                                                  "http:///path",
                                                  "http://:80/",
                                                  "http://host:/",
                                                  "http://host:99999/",
                                                  "http://host:0/",
                                                  "https://",
                                                  "https://host:0/",
                                                  "https://u:p@host/",
                                                  "HTTPS://host/",
                                                  "ftp://host/",
                                                  "host:80",
                                                  "/path",
                                                  "http://user:pass@host/",
                                                  "http://user@host/",
                                                  "http://host/a b",
                                                  "http://host/a\r\nx: y",
                                                  "http://host/a\tb",
                                                  "http://host/\x7f",
                                                  "http://host/a#b",
                                                  "http://host#b",
                                                  "http://ho\r\nst/",
                                                  "http://host\\@evil/",
                                                  "http://host/\xc3\xa9",
                                                  "http://127.0.0.1\0/"s,
                                                  "http://[::1/",
                                                  "http://[::1]x/",
                                                  "http+unix://",
                                                  "http+unix://rel:/p",
                                                  "http+unix:///a:/p q",
                                                  "http+unix:///a:/p\r\nx: y",
                                                  "http+unix:///a\0b:/p"s,
                                                  "unix://rel"}));
  CAPTURE(text);
  const auto url = parse_url(text);
  REQUIRE_FALSE(url);
  CHECK(url.error().code() == Errc::kInvalid);
}

TEST_CASE("an https URL has port 443 unless it says otherwise, and no default port in its Host") {
  struct Case {
    std::string text, address, host_header, origin;
  };
  const auto c = GENERATE(values<Case>({
      {"https://sts.example/p", "sts.example:443", "sts.example", "https://sts.example:443"},
      {"https://sts.example:443/p", "sts.example:443", "sts.example", "https://sts.example:443"},
      {"https://sts.example:8443/p", "sts.example:8443", "sts.example:8443", "https://sts.example:8443"},
      {"https://127.0.0.1/p", "127.0.0.1:443", "127.0.0.1", "https://127.0.0.1:443"},
      {"https://[::1]/p", "[::1]:443", "[::1]", "https://[::1]:443"},
      {"https://[::1]:9/p", "[::1]:9", "[::1]:9", "https://[::1]:9"},
  }));
  CAPTURE(c.text);
  const auto url = parse_url(c.text);
  REQUIRE(url);
  CHECK(url->tls);
  CHECK(url->address.text() == c.address);
  CHECK(url->host_header == c.host_header);
  CHECK(url->path == "/p");
  CHECK(url->origin() == c.origin);
}

TEST_CASE("only https is TLS") {
  CHECK_FALSE(parse_url("http://host:443/")->tls);
  CHECK_FALSE(parse_url("unix:///a")->tls);
}

TEST_CASE("an origin is written as a URL without a path") {
  CHECK(parse_url("http://host/a?b")->origin() == "http://host:80");
  CHECK(parse_url("http+unix:///a/b.sock:/p")->origin() == "unix:///a/b.sock");
}

TEST_CASE("a socket path in a URL that is too long is over the limit") {
  CHECK(parse_url("http+unix:///" + std::string(200, 'a') + ":/p").error().code() == Errc::kLimit);
}

// connect()

TEST_CASE("connecting to a socket that is missing or not answered fails at once and names it") {
  async::Loop loop;
  TemporaryFolder folder;
  const std::string path = folder / "a.sock";
  const auto missing = loop.block_on(connect(loop, unix_at(path), Millis(60'000)));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == Errc::kNotFound);
  CHECK(missing.error().text() == "connect to " + path + ": no such file or directory");

  const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un native = native_address(path);
  REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
  const auto refused = loop.block_on(connect(loop, unix_at(path), Millis(60'000)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kUnavailable);
}

TEST_CASE("connecting to a path that is too long is refused, whoever made the address") {
  async::Loop loop;
  const auto stream = loop.block_on(connect(loop, unix_at("/" + std::string(500, 'a')), Millis(1'000)));
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code() == Errc::kLimit);
}

TEST_CASE("a host that is no name is not looked up") {
  async::Loop loop;
  Address address;
  address.host = "127.0.0.1\0.evil.com"s;
  address.port = 80;
  const auto stream = loop.block_on(connect(loop, address, Millis(60'000)));
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code() == Errc::kInvalid);
}

TEST_CASE("localhost is connected to without a look-up") {
  FakeClock clock;
  async::Loop loop(clock);
  const auto any_port = parse_address("127.0.0.1:0");
  auto listener = Listener::open(loop, *any_port);
  REQUIRE(listener);
  Address address;
  address.host = "localhost";
  address.port = listener->address().port;
  CHECK(loop.block_on(connect(loop, address, Millis(1'000))));
}

TEST_CASE("a name is looked up, and its addresses are tried in order") {
  async::Loop loop;
  auto listener = Listener::open(loop, *parse_address("127.0.0.1:0"));
  REQUIRE(listener);
  Address address;
  address.host = "LOCALHOST";  // in capitals it is a name like any other
  address.port = listener->address().port;
  const auto stream = loop.block_on(connect(loop, address, Millis(10'000)));
  CHECK(stream);
}

TEST_CASE("a full listen queue is waited for") {
  FakeClock clock;
  async::Loop loop(clock);
  TemporaryFolder folder;
  const std::string path = folder / "a.sock";
  const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un native = native_address(path);
  REQUIRE(::bind(server.get(), reinterpret_cast<const sockaddr*>(&native), sizeof native) == 0);
  REQUIRE(::listen(server.get(), 0) == 0);
  Peer first(loop, path);

  Running<Result<async::Stream>> second(loop, connect(loop, unix_at(path), Millis(1'000)));
  clock.advance(Millis(100));
  REQUIRE_FALSE(second.done());

  SECTION("until it moves") {
    const UniqueFd accepted(::accept(server.get(), nullptr, nullptr));
    clock.advance(Millis(100));
    loop.poll();
    REQUIRE(second.done());
    CHECK(*second);
  }
  SECTION("until the time is over") {
    clock.advance(Millis(900));
    REQUIRE(second.done());
    CHECK(second->error().code() == Errc::kTimeout);
  }
}

}  // namespace
}  // namespace shed::net
