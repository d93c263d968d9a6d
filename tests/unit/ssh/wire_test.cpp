#include "shed/ssh/wire.h"

#include <catch2/catch.hpp>

namespace shed::ssh {
namespace {

using namespace std::string_literals;

TEST_CASE("numbers are read most significant byte first") {
  const std::string bytes = "\x07\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08"s;
  WireReader reader(bytes);
  CHECK(reader.byte() == 7);
  CHECK(reader.uint32() == 0x01020304u);
  CHECK(reader.uint64() == 0x0102030405060708u);
  CHECK(reader.at_end());
}

TEST_CASE("any byte but zero is true") {
  const std::string bytes = "\x00\x01\xff"s;
  WireReader reader(bytes);
  CHECK(reader.boolean() == false);
  CHECK(reader.boolean() == true);
  CHECK(reader.boolean() == true);
}

TEST_CASE("a string is a view into the bytes that were given") {
  const std::string bytes = "\0\0\0\3abcd"s;
  WireReader reader(bytes);
  const auto text = reader.string();
  REQUIRE(text);
  CHECK(*text == "abc");
  CHECK(text->data() == bytes.data() + 4);
  CHECK(reader.remaining() == "d");
}

TEST_CASE("a string longer than what is left is refused and nothing is taken") {
  const std::string bytes =
      "\xff\xff\xff\xff"
      "abc"s;
  WireReader reader(bytes);
  const auto text = reader.string();
  REQUIRE_FALSE(text);
  CHECK(text.error().code() == Errc::kInvalid);
  CHECK(reader.remaining() == bytes);
}

TEST_CASE("each number is refused when a byte of it is missing") {
  const std::string bytes(7, '\1');
  CHECK_FALSE(WireReader("").byte());
  CHECK_FALSE(WireReader("").boolean());
  CHECK_FALSE(WireReader(std::string_view(bytes).substr(0, 3)).uint32());
  CHECK_FALSE(WireReader(bytes).uint64());
}

TEST_CASE("end refuses what is left over") {
  CHECK(WireReader("").end());
  const auto left = WireReader("ab").end();
  REQUIRE_FALSE(left);
  CHECK(left.error().text() == "2 bytes too many");
}

std::string mpint(std::string_view magnitude) {
  std::string out;
  WireWriter(out).mpint(magnitude);
  return out;
}

TEST_CASE("mpints are written as the examples of RFC 4251 show") {
  CHECK(mpint("") == "\0\0\0\0"s);
  CHECK(mpint("\x09\xa3\x78\xf9\xb2\xe3\x32\xa7"s) == "\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7"s);
  CHECK(mpint("\x80"s) == "\0\0\0\x02\x00\x80"s);
}

TEST_CASE("leading zeros do not change an mpint") {
  CHECK(mpint("\0\0\0"s) == mpint(""));
  CHECK(mpint("\0\0\x80"s) == mpint("\x80"s));
  CHECK(mpint("\0\x7f"s) == "\0\0\0\1\x7f"s);
}

TEST_CASE("a positive mpint comes back without its sign byte") {
  for (const std::string& magnitude : {"\x01"s, "\x7f"s, "\x80"s, "\xff\x00"s, "\x01\x00\x00"s}) {
    const std::string bytes = mpint(magnitude);
    WireReader reader(bytes);
    CHECK(reader.positive_mpint() == std::string_view(magnitude));
    CHECK(reader.at_end());
  }
}

TEST_CASE("zero, negative and padded numbers are no positive mpints and stay unread") {
  for (const std::string& bytes :
       {"\0\0\0\0"s, "\0\0\0\1\x80"s, "\0\0\0\1\0"s, "\0\0\0\2\0\x7f"s, "\0\0\0\3\0\0\x80"s}) {
    WireReader reader(bytes);
    CHECK_FALSE(reader.positive_mpint());
    CHECK(reader.remaining() == bytes);
  }
}

TEST_CASE("mpint gives the bytes as they stand") {
  const std::string bytes = "\0\0\0\2\xed\xcc"s;
  WireReader reader(bytes);
  CHECK(reader.mpint() == "\xed\xcc");
}

TEST_CASE("what is written is read again") {
  std::string out;
  WireWriter(out)
      .byte(255)
      .boolean(true)
      .uint32(0xfffefdfcu)
      .uint64(0x8000000000000001u)
      .string("key")
      .bytes("rest");
  WireReader reader(out);
  CHECK(reader.byte() == 255);
  CHECK(reader.boolean() == true);
  CHECK(reader.uint32() == 0xfffefdfcu);
  CHECK(reader.uint64() == 0x8000000000000001u);
  CHECK(reader.string() == "key");
  CHECK(reader.bytes(4) == "rest");
  CHECK(reader.at_end());
}

}  // namespace
}  // namespace shed::ssh
