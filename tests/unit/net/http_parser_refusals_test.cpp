#include "net/http_parser.h"

#include <catch2/catch.hpp>
#include <string>

#include "parser_fixture.h"

namespace shed::net {
namespace {

using namespace std::string_literals;

TEST_CASE("what can be read in two ways is refused") {
  const auto header = GENERATE(values<std::string>({
      "content-length: 3\r\ntransfer-encoding: chunked\r\n",
      "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
      "content-length: 3\r\ncontent-length: 3\r\n",
      "content-length: 3\r\ncontent-length: 4\r\n",
      "content-length: 3, 3\r\n",
      "content-length: +3\r\n",
      "content-length: -3\r\n",
      "content-length: 0x3\r\n",
      "content-length: 3 3\r\n",
      "content-length:\r\n",
      "content-length: 18446744073709551619\r\n",
      "content-length : 3\r\n",
      "content-length\r\n",
      "transfer-encoding: identity\r\n",
      "transfer-encoding: chunked, identity\r\n",
      "transfer-encoding: gzip, chunked\r\n",
      "transfer-encoding: xchunked\r\n",
      "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
      "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
      "transfer-encoding: \x0b"
      "chunked\r\n",
      "transfer-encoding : chunked\r\n",
      "a: b\r\n folded\r\n",
      "a: b\r\n\tfolded\r\n",
      "a:\r\n b\r\n",
      " a: b\r\n",
      "a: b\n",
      "a: b\rcontent-length: 3\r\n",
      "a: b\r\r\n",
      "a: b\0c\r\n"s,
      "a b: c\r\n",
      "a\0b: c\r\n"s,
      ": c\r\n",
      "host: other\r\n",
  }));
  CAPTURE(header);
  CHECK(request("POST / HTTP/1.1\r\nhost: h\r\n" + header + "\r\nabc").how == "protocol");
}

TEST_CASE("a chunk whose framing is broken is refused") {
  const auto chunk = GENERATE(values<std::string>({
      "x\r\nabc\r\n",
      "-3\r\nabc\r\n",
      "+3\r\nabc\r\n",
      "0x3\r\nabc\r\n",
      " 3\r\nabc\r\n",
      "\r\nabc\r\n",
      "3\nabc\r\n",
      "3\rabc\r\n",
      "3\r\nabcdef\r\n",
      "3\r\nabc\n0\r\n\r\n",
      "3\r\nabc0\r\n\r\n",
      "3\r\nabc\r0\r\n\r\n",
      "fffffffffffffffff\r\nabc\r\n",
      "10000000000000003\r\nabc\r\n",
      "3 3\r\nabc\r\n",
      "3\r\nabc\r\n0\n\n",
      "3\r\nabc\r\n0\r\nX\r\n\r\n",
      "3;a\nb\r\nabc\r\n",
      "3\r\nabcXX0\r\n\r\n",
  }));
  CAPTURE(chunk);
  CHECK(request("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n" + chunk).how ==
        "protocol");
}

TEST_CASE("what is not HTTP/1 is refused") {
  const auto line = GENERATE(values<std::string>(
      {"GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/1.2", "GET /", "GET / HTTP/11", "GET / HTTPS/1.1",
       "get / HTTP/1.1", "GET  / HTTP/1.1 x", "NOPE / HTTP/1.1", "\x16\x03\x01\x02", "GET /\x01 HTTP/1.1",
       "GET /\0 HTTP/1.1"s, "GET / RTSP/1.0", "SSH-2.0-OpenSSH_9.2"}));
  CAPTURE(line);
  CHECK(request(line + "\r\nhost: h\r\n\r\n").how == "protocol");
}

TEST_CASE("a request of HTTP/1.1 needs a host, one of HTTP/1.0 does not") {
  CHECK(request("GET / HTTP/1.1\r\n\r\n").how == "protocol");
  CHECK(request("GET / HTTP/1.0\r\n\r\n").how == "complete");
  CHECK_FALSE(request("GET / HTTP/1.0\r\n\r\n").keep_alive);
}

TEST_CASE("an upgrade that is asked for is passed over") {
  CHECK(request("GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n").how ==
        "complete");
}

TEST_CASE("a header over its limit is refused, however it is made long") {
  const std::string start = "GET / HTTP/1.1\r\nhost: h\r\n";
  CHECK(request(start + "a: " + std::string(900, 'x') + "\r\n\r\n").how == "complete");
  CHECK(request(start + "a: " + std::string(1024, 'x') + "\r\n\r\n").how == "limit");
  CHECK(request(start + "a: " + std::string(5000, 'x')).how == "limit");
  CHECK(request("GET /" + std::string(5000, 'x')).how == "limit");
  std::string fields;
  for (int i = 0; i < 63; ++i) fields += "a:\r\n";
  CHECK(request(start + fields + "\r\n").how == "complete");
  CHECK(request(start + fields + "a:\r\n\r\n").how == "limit");
}

TEST_CASE("the header's limit does not count the body that came with it") {
  const std::string body(4096, 'x');
  CHECK(request("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4096\r\n\r\n" + body).body == body);
}

TEST_CASE("a body over its limit is too large, by its length or by its chunks") {
  const std::string start = "POST / HTTP/1.1\r\nhost: h\r\n";
  const std::string chunk = "800\r\n" + std::string(2048, 'x') + "\r\n";
  CHECK(request(start + "content-length: 4097\r\n\r\n").how == "too large");
  CHECK(request(start + "content-length: 18446744073709551615\r\n\r\n").how == "too large");
  CHECK(request(start + "transfer-encoding: chunked\r\n\r\n" + chunk + chunk + "0\r\n\r\n").how ==
        "complete");
  CHECK(request(start + "transfer-encoding: chunked\r\n\r\n" + chunk + chunk + "1\r\nx").how == "too large");
}

TEST_CASE("a chunked body that is mostly framing ends at a limit too") {
  std::string text = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
  SECTION("small chunks with long extensions") {
    for (int i = 0; i < 100; ++i) text += "1;" + std::string(200, 'e') + "\r\nx\r\n";
  }
  SECTION("trailers without end") {
    text += "0\r\n";
    for (int i = 0; i < 100; ++i) text += "t: " + std::string(200, 'e') + "\r\n";
  }
  HttpParser parser(HTTP_REQUEST, kLimits);
  Buffer buffer;
  std::string how = "more";
  for (std::size_t at = 0; at < text.size() && how == "more"; at += 512) {
    how = feed(parser, buffer, {std::string_view(text).substr(at, 512)}).how;
  }
  CHECK(how == "too large");
  CHECK(buffer.size() < 2 * kLimits.header + kLimits.body * 5 / 4 + 1024);
}

}  // namespace
}  // namespace shed::net
