#include "net/http_parser.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parser_fixture.h"

namespace shed::net {
namespace {

using namespace std::string_literals;

TEST_CASE("a request is a method, a target, headers and a body") {
  const Outcome outcome = request(
      "POST /v1/publish?x=1 HTTP/1.1\r\nHost: h\r\nA:  one \t\r\nEmpty:\r\nEMPTY: no\r\n"
      "content-length: 4\r\n\r\nbody");
  CHECK(outcome.how == "complete");
  CHECK(outcome.method == "POST");
  CHECK(outcome.target == "/v1/publish?x=1");
  CHECK(outcome.body == "body");
  CHECK(outcome.headers == std::vector<std::string>{"h", "one", "", "", ""});
  CHECK(outcome.keep_alive);
}

TEST_CASE("a message means the same wherever it is split") {
  check_all_splits(HTTP_REQUEST, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  check_all_splits(HTTP_REQUEST,
                   "POST /p HTTP/1.1\r\nhost: h\r\nempty:\r\na: one two  \r\nb:x\r\n"
                   "connection: close\r\ncontent-length: 11\r\n\r\nhello world");
  check_all_splits(
      HTTP_REQUEST,
      "POST /p HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: keep-alive, x\r\n\r\n"
      "5\r\nhello\r\n1;ext=1\r\n \r\n005\r\nworld\r\n0\r\na: trailer\r\n\r\n");
  check_all_splits(HTTP_RESPONSE,
                   "HTTP/1.1 200 OK\r\na: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  check_all_splits(HTTP_RESPONSE, "HTTP/1.1 204 No Content\r\na:\r\nb: 2\r\n\r\n");
}

TEST_CASE("an error is the same wherever its cause is split") {
  check_all_splits(HTTP_REQUEST, "GET / HTTP/1.1\r\nHost: h\r\na: b\r\n folded\r\n\r\n");
  check_all_splits(HTTP_REQUEST,
                   "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n");
  check_all_splits(HTTP_RESPONSE, "HTTP/1.1 OK\r\n\r\n");
}

TEST_CASE("the parser stops after the header and again after the body") {
  HttpParser parser(HTTP_REQUEST, kLimits);
  Buffer buffer;
  buffer.append("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}");
  CHECK(*parser.advance(buffer) == Progress::kHeader);
  CHECK(parser.header(buffer, "Content-Length") == "2");
  CHECK(parser.body(buffer).empty());
  CHECK(*parser.advance(buffer) == Progress::kComplete);
  CHECK(parser.body(buffer) == "{}");
}

TEST_CASE("a chunked body is one piece, and what its framing was does not show") {
  std::string text = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
  std::string body;
  for (int i = 1; i <= 40; ++i) {
    const std::string part(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    text += fmt::format("{:x}\r\n{}\r\n", part.size(), part);
    body += part;
  }
  const Outcome outcome = request(text + "0\r\n\r\n");
  CHECK(outcome.how == "complete");
  CHECK(outcome.body == body);
}

TEST_CASE("a trailer is no header") {
  const Outcome outcome = request(
      "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
      "a: forged\r\nhost: forged\r\n\r\n");
  CHECK(outcome.how == "complete");
  CHECK(outcome.headers == std::vector<std::string>{"h", "", "", "", ""});
}

TEST_CASE("pipelined requests come out one by one, each with its own texts") {
  HttpParser parser(HTTP_REQUEST, kLimits);
  Buffer buffer;
  buffer.append("POST /1 HTTP/1.1\r\nhost: h\r\na: 1\r\ncontent-length: 3\r\n\r\none");
  buffer.append(
      "POST /2 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n");
  buffer.append("GET /3 HTTP/1.1\r\nhost: h\r\nb: 3\r\n\r\nGET /4");
  CHECK(feed(parser, buffer, {""}).body == "one");
  parser.next_message(buffer);
  const Outcome second = feed(parser, buffer, {""});
  CHECK(second.target == "/2");
  CHECK(second.body == "two");
  CHECK(second.headers == std::vector<std::string>{"h", "", "", "", ""});
  parser.next_message(buffer);
  const Outcome third = feed(parser, buffer, {""});
  CHECK(third.target == "/3");
  CHECK(third.body.empty());
  CHECK(third.headers == std::vector<std::string>{"h", "", "3", "", ""});
  parser.next_message(buffer);
  CHECK(buffer.view() == "GET /4");
  CHECK(feed(parser, buffer, {" HTTP/1.1\r\nhost: h\r\n\r\n"}).target == "/4");
}

TEST_CASE("nothing of a message is left in the memory behind the next one") {
  HttpParser parser(HTTP_REQUEST, kLimits);
  Buffer buffer;
  buffer.append("POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nSECRETGET");
  while (*parser.advance(buffer) != Progress::kComplete) {
  }
  const std::size_t size = buffer.size();
  parser.next_message(buffer);
  CHECK(buffer.view() == "GET");
  CHECK(std::string_view(buffer.data(), size).substr(3) == std::string(size - 3, '\0'));
}

TEST_CASE("a body that was wiped leaves nothing, not even where its chunks stood") {
  HttpParser parser(HTTP_RESPONSE, kLimits);
  Buffer buffer;
  buffer.append(
      "HTTP/1.1 200 OK\r\na: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nSEC\r\n3\r\nRET\r\n0\r\n\r\n");
  while (*parser.advance(buffer) != Progress::kComplete) {
  }
  CHECK(parser.body(buffer) == "SECRET");
  parser.wipe_body(buffer);
  CHECK(parser.body(buffer) == "\0\0\0\0\0\0"s);
  CHECK(buffer.view().find("SEC") == std::string_view::npos);
  CHECK(buffer.view().find("RET") == std::string_view::npos);
  CHECK(parser.header(buffer, "a") == "1");
}

Outcome response(std::string_view text) { return parse(HTTP_RESPONSE, {text}); }

TEST_CASE("a response without a length goes on to the end of the connection") {
  HttpParser parser(HTTP_RESPONSE, kLimits);
  Buffer buffer;
  CHECK(feed(parser, buffer, {"HTTP/1.1 200 OK\r\n\r\nto the", " end"}).how == "more");
  CHECK(*parser.finish() == Progress::kComplete);
  CHECK(parser.body(buffer) == "to the end");
  CHECK_FALSE(parser.keep_alive());
}

TEST_CASE("a response that ends too early is closed, not complete") {
  const auto text =
      GENERATE(values<std::string>({"", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\na: b",
                                    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
                                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
                                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"}));
  CAPTURE(text);
  HttpParser parser(HTTP_RESPONSE, kLimits);
  Buffer buffer;
  CHECK(feed(parser, buffer, {text}).how == "more");
  const auto progress = parser.finish();
  REQUIRE_FALSE(progress);
  CHECK(progress.error().code() == Errc::kClosed);
}

TEST_CASE("a response to HEAD has no body, whatever its header says") {
  const auto header = GENERATE(as<std::string>(), "content-length: 5\r\n", "content-length: 999999\r\n",
                               "transfer-encoding: chunked\r\n", "");
  CAPTURE(header);
  HttpParser parser(HTTP_RESPONSE, kLimits);
  parser.expect_no_body();
  Buffer buffer;
  const Outcome outcome = feed(parser, buffer, {"HTTP/1.1 200 OK\r\n" + header + "\r\n"});
  CHECK(outcome.how == "complete");
  CHECK(outcome.body.empty());
  CHECK(outcome.keep_alive);
}

TEST_CASE("a response that cannot have a body has none, whatever its header says") {
  const auto status = GENERATE(as<std::string>(), "100 Continue", "204 No Content", "304 Not Modified");
  const auto header = GENERATE(as<std::string>(), "", "content-length: 5\r\n");
  const Outcome outcome = response("HTTP/1.1 " + status + "\r\n" + header + "\r\n");
  CHECK(outcome.how == "complete");
  CHECK(outcome.keep_alive);
}

TEST_CASE("a response that can be read in two ways is refused") {
  CHECK(response("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n").how ==
        "protocol");
  CHECK(response("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n").how == "protocol");
  CHECK(response("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n").how == "protocol");
  CHECK(response("HTTP/1.1 200 OK\ncontent-length: 0\n\n").how == "protocol");
}

TEST_CASE("names of headers are compared without regard to case") {
  CHECK(same_name("Content-TYPE", "content-type"));
  CHECK_FALSE(same_name("content-type", "content-typ"));
  CHECK_FALSE(same_name("content-type", "content_type"));
  CHECK_FALSE(same_name("@", "`"));
}

TEST_CASE("a streamed body goes to its sink, and the buffer stays small") {
  HttpParser parser(HTTP_RESPONSE, {1024, 16});
  Buffer buffer, sink;
  buffer.append("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel");
  CHECK(*parser.advance(buffer) == Progress::kHeader);
  parser.stream_body_into(sink);
  const auto step = [&](std::string_view text) {
    buffer.append(text);
    const auto progress = parser.advance(buffer);
    parser.drop_parsed(buffer);
    CHECK(buffer.empty());
    return progress;
  };
  CHECK(*step("") == Progress::kMore);
  CHECK(sink.view() == "hel");
  CHECK(*step("lo\r\n") == Progress::kMore);
  for (int i = 0; i < 100; ++i) CHECK(*step("20\r\n01234567890123456789012345678901\r\n") == Progress::kMore);
  CHECK(sink.size() == 5 + 100 * 32);
  CHECK(*step("0\r\nt: x") == Progress::kMore);
  CHECK(*step("y\r\n\r\n") == Progress::kComplete);
}

}  // namespace
}  // namespace shed::net
