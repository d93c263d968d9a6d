#include <catch2/catch.hpp>
#include <string>

#include "shed/base/json.h"
#include "unit/base/allocations.h"

namespace shed {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  JsonWriter(out).string(text);
  return out;
}

TEST_CASE("commas stand between values and nowhere else") {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("a", "x")
      .field("b", 2)
      .key("c")
      .begin_array()
      .integer(1)
      .begin_object()
      .end_object()
      .begin_array()
      .end_array()
      .null()
      .end_array()
      .field("d", true)
      .key("e")
      .raw("[3,4]")
      .end_object();
  CHECK(out == R"({"a":"x","b":2,"c":[1,{},[],null],"d":true,"e":[3,4]})");
}

TEST_CASE("a field has the type of its value") {
  std::string out;
  const std::string owned = "own";
  JsonWriter(out)
      .begin_object()
      .field("s", owned)
      .field("b", false)
      .field("n", std::uint16_t{7})
      .end_object();
  CHECK(out == R"({"s":"own","b":false,"n":7})");
}

TEST_CASE("an empty field can be left out") {
  std::string out;
  JsonWriter(out).begin_object().field_unless_empty("a", "").field_unless_empty("b", "x").end_object();
  CHECK(out == R"({"b":"x"})");
}

TEST_CASE("integers are written to their limits") {
  std::string out;
  JsonWriter(out).begin_array().integer(INT64_MIN).integer(0).integer(INT64_MAX).end_array();
  CHECK(out == "[-9223372036854775808,0,9223372036854775807]");
}

TEST_CASE("quotes, backslashes and control characters are escaped") {
  CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
  CHECK(quoted("\b\f\n\r\t") == R"("\b\f\n\r\t")");
  CHECK(quoted(std::string_view("\0\x1f", 2)) == R"("\u0000\u001f")");
  CHECK(quoted("/\x7f") == "\"/\x7f\"");
}

TEST_CASE("keys are escaped like strings") {
  std::string out;
  JsonWriter(out).begin_object().field("a\"b", 1).end_object();
  CHECK(out == R"({"a\"b":1})");
}

TEST_CASE("valid UTF-8 is written as it is") {
  const std::string_view text = "h\u00e9 \u20ac \U0001F600 \U0010FFFF";
  CHECK(quoted(text) == "\"" + std::string(text) + "\"");
}

TEST_CASE("what a terminal would obey is escaped, and means the same") {
  CHECK(quoted("a\u0080\u009b2J\u009f") == R"("a\u0080\u009b2J\u009f")");
  CHECK(quoted("\u00a0\u00c0") == "\"\u00a0\u00c0\"");
  JsonDocument document;
  const std::string text = "{\"a\":" + quoted("\u009b") + "}";
  CHECK((*document.parse(text))["a"].string_or("") == "\u009b");
}

TEST_CASE("invalid UTF-8 is replaced") {
  CHECK(quoted("a\xff"
               "b") == "\"a\ufffdb\"");
  CHECK(quoted("\xc3") == "\"\ufffd\"");
  CHECK(quoted("\xe2\x82") == "\"\ufffd\ufffd\"");
  CHECK(quoted("\xc0\x80") == "\"\ufffd\ufffd\"");
  CHECK(quoted("\xed\xa0\x80") == "\"\ufffd\ufffd\ufffd\"");
  CHECK(quoted("\xf4\x90\x80\x80") == "\"\ufffd\ufffd\ufffd\ufffd\"");
  CHECK(quoted("\xc3\"") == "\"\ufffd\\\"\"");
}

TEST_CASE("any bytes give a text that parses") {
  JsonDocument document;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; second += 5) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second), '\x80'};
      std::string out;
      JsonWriter(out)
          .begin_object()
          .field(std::string_view(bytes, 3), std::string_view(bytes, 3))
          .end_object();
      CAPTURE(first, second);
      REQUIRE(document.parse(out).has_value());
    }
  }
}

TEST_CASE("bytes are written as base64") {
  std::string out;
  JsonWriter(out).begin_array().base64("foobar").base64("").base64("f").end_array();
  CHECK(out == R"(["Zm9vYmFy","","Zg=="])");
}

TEST_CASE("writing into a buffer with room does not allocate") {
  Buffer buffer;
  buffer.spare(4096);
  const std::string bytes(600, '\xfe');
  const auto before = allocations();
  BufferJsonWriter(buffer)
      .begin_object()
      .field("s", "a\nb\xff")
      .field("n", 12345)
      .key("b")
      .base64(bytes)
      .end_object();
  CHECK(allocations() == before);
  CHECK(buffer.view().starts_with("{\"s\":\"a\\nb\ufffd\",\"n\":12345,\"b\":\"/v7+"));
}

}  // namespace
}  // namespace shed
