#include "shed/net/event_stream.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace shed::net {
namespace {

using Events = std::vector<std::string>;

// What a reader makes of the parts, one after the other.
Events read_parts(EventStreamReader& reader, const std::vector<std::string_view>& parts) {
  Events events;
  for (const std::string_view part : parts) {
    reader.input().append(part);
    for (;;) {
      const auto event = reader.next();
      REQUIRE(event);
      if (!*event) break;
      events.emplace_back(**event);
    }
  }
  return events;
}

Events read_all(std::string_view stream) {
  EventStreamReader reader;
  return read_parts(reader, {stream});
}

TEST_CASE("an event's data comes when its empty line has come") {
  EventStreamReader reader;
  CHECK(read_parts(reader, {"event: message\ndata: {\"a\":1}\n"}).empty());
  CHECK(read_parts(reader, {"\n"}) == Events{"{\"a\":1}"});
}

TEST_CASE("lines end with LF, CR LF or CR") {
  const auto end = GENERATE(as<std::string>(), "\n", "\r\n", "\r");
  const std::string stream =
      "event: message" + end + "data: one" + end + end + ": c" + end + "data: two" + end + end;
  CHECK(read_all(stream) == Events{"one", "two"});
}

TEST_CASE("an event whose lines end with CR is not held back until the next one") {
  EventStreamReader reader;
  CHECK(read_parts(reader, {"data: one\r\r"}) == Events{"one"});
  CHECK(read_parts(reader, {"\ndata: two\r\n\r"}) == Events{"two"});
  CHECK(read_parts(reader, {"\n\r\n"}).empty());
}

TEST_CASE("a stream means the same wherever it is split") {
  const std::string stream =
      "\xef\xbb\xbf"
      "data: one\r\n\r\n:comment\rdata:two\rdata: three\r\r\nid: 7\ndata\n\nevent: x\n\ndata: \n"
      "data:  four\n\r\ndata: five\n\n";
  const Events expected = read_all(stream);
  CHECK(expected == Events{"one", "two\nthree", "", "\n four", "five"});
  for (std::size_t i = 0; i <= stream.size(); ++i) {
    EventStreamReader reader;
    const std::string_view view = stream;
    CAPTURE(i);
    CHECK(read_parts(reader, {view.substr(0, i), view.substr(i)}) == expected);
  }
  EventStreamReader reader;
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < stream.size(); ++i) bytes.push_back(std::string_view(stream).substr(i, 1));
  CHECK(read_parts(reader, bytes) == expected);
}

TEST_CASE("several data lines are joined with a newline") {
  CHECK(read_all("data: {\ndata: \"a\": 1\ndata: }\n\n") == Events{"{\n\"a\": 1\n}"});
}

TEST_CASE("one space after the colon is not part of the data") {
  CHECK(read_all("data:x\n\ndata: x\n\ndata:  x\n\n") == Events{"x", "x", " x"});
}

TEST_CASE("comments and other fields are passed over") {
  CHECK(
      read_all(": keep-alive\n\nevent: message\nid: 1\nretry: 5\ndatabase: no\ndata-x: no\ndata: yes\n\n") ==
      Events{"yes"});
}

TEST_CASE("no data, no event") { CHECK(read_all("\n\nevent: message\n\n: x\n\n\n").empty()); }

TEST_CASE("an event that the end of the stream cuts off is not delivered") {
  CHECK(read_all("data: one\n\ndata: half").size() == 1);
}

TEST_CASE("a byte order mark is passed over at the start only") {
  CHECK(read_all("\xef\xbb\xbf"
                 "data: one\n\n\xef\xbb\xbf"
                 "data: two\n\n") == Events{"one"});
}

TEST_CASE("an event may be as long as the limit and not longer") {
  const auto split = GENERATE(false, true);
  const std::string data(100, 'x');
  EventStreamReader reader(100);
  CHECK(read_parts(reader, {"data: " + data + "\n\n"}) == Events{data});
  if (split) {
    reader.input().append("data: " + data.substr(0, 50) + "\ndata: " + data.substr(0, 50) + "\n\n");
  } else {
    reader.input().append("data: " + data + "x\n\n");
  }
  const auto event = reader.next();
  REQUIRE_FALSE(event);
  CHECK(event.error().code() == Errc::kLimit);
  CHECK(event.error().text() == "an event is longer than 100 bytes");
  CHECK_FALSE(reader.next());
}

TEST_CASE("a line that never ends is refused before it fills the memory") {
  EventStreamReader reader(1000);
  std::size_t taken = 0;
  for (; taken < 10'000; taken += 100) {
    reader.input().append(std::string(100, 'x'));
    if (!reader.next()) break;
  }
  CHECK(taken < 1200);
}

TEST_CASE("events that arrive together are not one long event") {
  EventStreamReader reader(100);
  std::string stream;
  for (int i = 0; i < 50; ++i) stream += "data: 0123456789\n\n";
  CHECK(read_parts(reader, {stream}).size() == 50);
}

TEST_CASE("an event written is the event read") {
  Buffer out;
  append_event(out, R"({"a":1})");
  append_event(out, R"({"b":2})");
  CHECK(out.view() == "event: message\ndata: {\"a\":1}\n\nevent: message\ndata: {\"b\":2}\n\n");
  CHECK(read_all(out.view()) == Events{R"({"a":1})", R"({"b":2})"});
}

TEST_CASE("newlines between the parts of a JSON text cannot end its event") {
  Buffer out;
  append_event(out, "{\n\"a\":\r\n1}\r\n\n\ndata: forged\n\n");
  CHECK(read_all(out.view()) == Events{"{ \"a\":  1}    data: forged  "});
}

}  // namespace
}  // namespace shed::net
