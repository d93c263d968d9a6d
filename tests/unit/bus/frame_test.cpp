#include "shed/bus/frame.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

namespace shed::bus {
namespace {

void feed(FrameReader& reader, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto room = reader.spare();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::ranges::copy(bytes.substr(0, count), room.begin());
    reader.commit(count);
    bytes.remove_prefix(count);
  }
}

std::string frame(std::string_view payload, std::uint8_t type = kEnvelopeFrame) {
  Buffer out;
  REQUIRE(append_frame(out, type, payload));
  return std::string(out.view());
}

std::string header(std::string_view bytes) { return std::string(bytes); }

// The payload of the next frame, which has to be there.
std::string next_payload(FrameReader& reader) {
  const auto read = reader.next();
  REQUIRE(read);
  REQUIRE(read->has_value());
  return std::string((*read)->payload);
}

bool needs_more(FrameReader& reader) {
  const auto read = reader.next();
  REQUIRE(read);
  return !read->has_value();
}

TEST_CASE("a frame is a type, four bytes of big-endian length and the payload") {
  Buffer out;
  REQUIRE(append_frame(out, 0x20, std::string(258, 'x')));
  CHECK(out.view() == std::string("\x20\x00\x00\x01\x02", 5) + std::string(258, 'x'));
}

TEST_CASE("a frame is read as it was written") {
  FrameReader reader;
  feed(reader, frame("{}"));
  const auto read = reader.next();
  REQUIRE(read);
  REQUIRE(read->has_value());
  CHECK((*read)->type == kEnvelopeFrame);
  CHECK((*read)->payload == "{}");
  CHECK(needs_more(reader));
  CHECK(reader.at_boundary());
}

TEST_CASE("frames that come together are read one after the other") {
  FrameReader reader;
  feed(reader, frame("one") + frame("") + frame("three"));
  CHECK(next_payload(reader) == "one");
  CHECK(next_payload(reader).empty());
  CHECK(next_payload(reader) == "three");
  CHECK(needs_more(reader));
}

TEST_CASE("a frame that comes byte by byte is read once it is whole") {
  FrameReader reader;
  const std::string bytes = frame("abc");
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    feed(reader, bytes.substr(i, 1));
    CHECK(needs_more(reader));
    CHECK_FALSE(reader.at_boundary());
  }
  feed(reader, bytes.substr(bytes.size() - 1));
  CHECK(next_payload(reader) == "abc");
}

TEST_CASE("the start of a second frame survives the first") {
  FrameReader reader;
  const std::string second = frame(std::string(10'000, 'b'));
  feed(reader, frame("a") + second.substr(0, 100));
  CHECK(next_payload(reader) == "a");
  CHECK(needs_more(reader));
  feed(reader, second.substr(100));
  CHECK(next_payload(reader) == std::string(10'000, 'b'));
}

TEST_CASE("the padding behind an envelope's payload can be read") {
  FrameReader reader;
  // Fills what was read to its last byte.
  const std::string payload(FrameReader::kReadSize - kFrameHeader, 'x');
  feed(reader, frame(payload));
  const auto read = reader.next();
  REQUIRE(read);
  REQUIRE(read->has_value());
  const char* end = (*read)->payload.data() + (*read)->payload.size();
  std::fill_n(const_cast<char*>(end), kJsonPadding, ' ');  // the sanitizer would object
  CHECK((*read)->payload == payload);
}

TEST_CASE("a frame of the largest length is read") {
  FrameReader reader;
  const std::string payload(kMaxFrame, 'x');
  feed(reader, frame(payload));
  CHECK(next_payload(reader) == payload);
}

TEST_CASE("a length over the limit fails as soon as it is there, and from then on") {
  FrameReader reader;
  feed(reader, header({"\x20\x01\x00\x00\x01", 5}));
  const auto read = reader.next();
  REQUIRE_FALSE(read);
  CHECK(read.error().code() == Errc::kLimit);
  CHECK(read.error().text() == "a frame of 16777217 bytes is over the limit of 16777216");
  feed(reader, frame("{}"));
  CHECK_FALSE(reader.next());
}

TEST_CASE("a length over the limit fails for an unknown type too") {
  FrameReader reader;
  feed(reader, header({"\x47\xff\xff\xff\xff", 5}));
  CHECK_FALSE(reader.next());
}

TEST_CASE("an announced length takes no memory before its bytes come") {
  FrameReader reader;
  feed(reader, header({"\x20\x01\x00\x00\x00", 5}));
  CHECK(needs_more(reader));
  reader.spare();
  CHECK(reader.capacity() <= FrameReader::kKeptCapacity);
}

TEST_CASE("a frame of an unknown type is reported once and its payload is skipped") {
  FrameReader reader;
  feed(reader, frame("whatever", 0x21) + frame("{}"));
  const auto read = reader.next();
  REQUIRE(read);
  REQUIRE(read->has_value());
  CHECK((*read)->type == 0x21);
  CHECK((*read)->payload.empty());
  CHECK(next_payload(reader) == "{}");
}

TEST_CASE("a large payload of an unknown type takes no memory") {
  FrameReader reader;
  const std::string large = frame(std::string(1024 * 1024, 'x'), 0x00);
  std::size_t reported = 0, most = 0;
  for (std::size_t i = 0; i < large.size(); i += 1000) {
    feed(reader, std::string_view(large).substr(i, 1000));
    const auto read = reader.next();
    REQUIRE(read);
    reported += read->has_value() ? 1 : 0;
    most = std::max(most, reader.capacity());
  }
  CHECK(reported == 1);
  CHECK(most <= FrameReader::kKeptCapacity);
  CHECK(reader.at_boundary());
}

TEST_CASE("an envelope that is too long to be taken is reported once, and takes no memory") {
  FrameReader reader(1000);
  feed(reader, frame(std::string(1000, 'x')));
  CHECK(next_payload(reader).size() == 1000);
  const std::string large = frame(std::string(100'000, 'x'));
  std::size_t reported = 0, most = 0;
  for (std::size_t i = 0; i < large.size(); i += 1000) {
    feed(reader, std::string_view(large).substr(i, 1000));
    const auto read = reader.next();
    REQUIRE(read);
    most = std::max(most, reader.capacity());
    if (!read->has_value()) continue;
    ++reported;
    CHECK((*read)->is_too_long());
    CHECK((*read)->length == 100'000);
  }
  CHECK(reported == 1);
  CHECK(most <= FrameReader::kKeptCapacity);
  feed(reader, frame("{}"));
  CHECK(next_payload(reader) == "{}");
}

TEST_CASE("a connection that is cut inside a skipped payload is not at a boundary") {
  FrameReader reader;
  feed(reader, frame("whatever", 0x21).substr(0, 8));
  REQUIRE(reader.next());
  CHECK(needs_more(reader));
  CHECK_FALSE(reader.at_boundary());
}

TEST_CASE("the memory of a large frame goes back") {
  FrameReader reader;
  feed(reader, frame(std::string(1024 * 1024, 'x')));
  CHECK(next_payload(reader).size() == 1024 * 1024);
  reader.spare();
  CHECK(reader.capacity() <= FrameReader::kKeptCapacity);
}

TEST_CASE("a payload over the limit is not written") {
  Buffer out;
  out.append("before");
  const Status status = append_frame(out, kEnvelopeFrame, std::string(kMaxFrame + 1, 'x'));
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kLimit);
  CHECK(out.view() == "before");
}

TEST_CASE("an envelope is written into its frame as its JSON") {
  Envelope envelope;
  envelope.id = "01960e5c-0000-7000-8000-000000000000";
  envelope.ns = "system:health";
  envelope.timestamp = "2026-03-31T15:04:05.000Z";
  Buffer json, out;
  append_envelope(json, envelope);
  out.append("before");
  REQUIRE(append_envelope_frame(out, envelope));
  CHECK(out.view() == "before" + frame(json.view()));
}

TEST_CASE("an envelope over the limit leaves nothing behind") {
  Envelope envelope;
  const std::string payload = '"' + std::string(kMaxFrame, 'x') + '"';
  envelope.payload = payload;
  Buffer out;
  out.append("before");
  const Status status = append_envelope_frame(out, envelope);
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kLimit);
  CHECK(out.view() == "before");
}

}  // namespace
}  // namespace shed::bus
