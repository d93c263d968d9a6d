#include "shed/base/json.h"

#include <catch2/catch.hpp>
#include <string>

#include "unit/base/allocations.h"

namespace shed {
namespace {

std::string nested(std::size_t levels) { return std::string(levels, '[') + "1" + std::string(levels, ']'); }

TEST_CASE("members are found by their key") {
  JsonDocument document;
  const JsonValue root = document.parse(R"({"a":"x","b":{"c":[1,true,null]}})").value();
  CHECK(root.is_object());
  CHECK(root["a"].string() == "x");
  CHECK(root["b"]["c"].is_array());
  const auto elements = root["b"]["c"].elements();
  REQUIRE(elements.size() == 3);
  CHECK(elements[0].integer() == 1);
  CHECK(elements[1].boolean() == true);
  CHECK(elements[2].is_null());
}

TEST_CASE("members come in the order of the text") {
  JsonDocument document;
  const auto members = document.parse(R"({"b":1,"a":2})").value().members();
  REQUIRE(members.size() == 2);
  CHECK(members[0].first == "b");
  CHECK(members[1].first == "a");
  CHECK(members[1].second.integer() == 2);
}

TEST_CASE("the first of two equal keys counts") {
  JsonDocument document;
  const JsonValue root = document.parse(R"({"op":"list","op":"sign","\u006fp":"other"})").value();
  CHECK(root["op"].string() == "list");
}

TEST_CASE("an escaped key is found by its plain text") {
  JsonDocument document;
  CHECK(document.parse(R"({"\u006fp":"list"})").value()["op"].string() == "list");
}

TEST_CASE("looking into another type finds nothing") {
  JsonDocument document;
  const JsonValue root = document.parse(R"({"text":"x","list":[1]})").value();
  CHECK_FALSE(root["absent"].exists());
  CHECK_FALSE(root["text"]["a"].exists());
  CHECK_FALSE(root["list"]["0"].exists());
  CHECK_FALSE(root["absent"]["more"].is_object());
  CHECK_FALSE(root["absent"].string().has_value());
  CHECK_FALSE(root["text"].integer().has_value());
  CHECK_FALSE(root["text"].boolean().has_value());
  CHECK(root["text"].elements().empty());
  CHECK(root["list"].members().empty());
  CHECK(JsonValue().elements().empty());
}

TEST_CASE("an absent text has a replacement and an empty one has none") {
  JsonDocument document;
  const JsonValue root = document.parse(R"({"empty":"","number":1})").value();
  CHECK(root["absent"].string_or("other") == "other");
  CHECK(root["number"].string_or("other") == "other");
  CHECK(root["empty"].string_or("other").empty());
}

TEST_CASE("null exists") {
  JsonDocument document;
  const JsonValue value = document.parse("null").value();
  CHECK(value.exists());
  CHECK(value.is_null());
  CHECK_FALSE(JsonValue().is_null());
}

TEST_CASE("only numbers that fit exactly are integers") {
  JsonDocument document;
  const JsonValue root =
      document.parse("[9223372036854775807,-9223372036854775808,9223372036854775808,1.5,-0]").value();
  const auto numbers = root.elements();
  CHECK(numbers[0].integer() == INT64_MAX);
  CHECK(numbers[1].integer() == INT64_MIN);
  CHECK_FALSE(numbers[2].integer().has_value());
  CHECK_FALSE(numbers[3].integer().has_value());
  CHECK(numbers[4].integer() == 0);
}

TEST_CASE("strings are unescaped") {
  JsonDocument document;
  const JsonValue root = document.parse(R"(["a\u0000b","\"\\\/\b\f\n\r\t","\ud83d\ude00"])").value();
  CHECK(root.elements()[0].string() == std::string_view("a\0b", 3));
  CHECK(root.elements()[1].string() == "\"\\/\b\f\n\r\t");
  CHECK(root.elements()[2].string() == "\U0001F600");
}

TEST_CASE("nesting is allowed up to the limit") {
  JsonDocument document;
  CHECK(document.parse(nested(kJsonMaxDepth)).has_value());
  const auto deeper = document.parse(nested(kJsonMaxDepth + 1));
  REQUIRE_FALSE(deeper);
  CHECK(deeper.error().code() == Errc::kInvalid);
  CHECK(deeper.error().text() == "JSON is nested deeper than 64 levels");
}

TEST_CASE("nesting is limited for objects too, and in a large document") {
  JsonDocument document;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "{\"a\":";
  CHECK_FALSE(document.parse(text).has_value());
}

TEST_CASE("what is not one JSON document is refused") {
  const auto text = GENERATE(
      as<std::string_view>(), "", " ", "{", "}", "{]", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{'a':1}",
      "[1 2]", "{} {}", "{}x", "1 2", "nul", "truex", "\"open", "\"\n\"", "\"\\x\"", "\"\\u12\"", "01", "1.",
      ".5", "+1", "1e", "NaN", "Infinity", "1e999", "123456789012345678901234567890", "// comment\n{}",
      "\xef\xbb\xbf{}", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\\udc00\"",
      std::string_view("{}\0", 3), std::string_view("\0", 1), "{\"a\":1}}", "[[1]", "\xff");
  CAPTURE(text);
  JsonDocument document;
  const auto value = document.parse(text);
  REQUIRE_FALSE(value);
  CHECK(value.error().code() == Errc::kInvalid);
}

TEST_CASE("the reason of a refusal is said") {
  JsonDocument document;
  CHECK(document.parse("").error().text() == "JSON document is empty");
  CHECK(document.parse("\"\xff\"").error().text() == "JSON is not valid UTF-8");
  CHECK(document.parse("[\"open]").error().text() == "a JSON string does not end");
  CHECK(document.parse("[1 2]").error().text() == "not well-formed JSON");
}

TEST_CASE("a document is usable again after a refusal") {
  JsonDocument document;
  REQUIRE_FALSE(document.parse("{"));
  CHECK(document.parse("[1]").value().elements().size() == 1);
}

TEST_CASE("values survive a move of the document") {
  JsonDocument document;
  const JsonValue root = document.parse(R"({"a":"x"})").value();
  const JsonDocument moved(std::move(document));
  CHECK(root["a"].string() == "x");
}

TEST_CASE("a text with padding is parsed where it lies, and without allocating") {
  Buffer buffer;
  buffer.append(R"({"id":"017f22e2","payload":{"operation":"list"}})");
  JsonDocument document;
  REQUIRE(document.parse_padded(buffer.view()));
  const auto before = allocations();
  bool found = true;
  for (int i = 0; i < 100; ++i) {
    const auto root = document.parse_padded(buffer.view());
    found = found && root && (*root)["payload"]["operation"].string() == "list";
  }
  CHECK(allocations() == before);
  CHECK(found);
}

TEST_CASE("a document that grows keeps parsing") {
  JsonDocument document;
  for (std::size_t length = 1; length < 300'000; length *= 3) {
    const std::string text = "[\"" + std::string(length, 'x') + "\"]";
    CHECK(document.parse(text).value().elements()[0].string()->size() == length);
  }
}

TEST_CASE("dense documents fit") {
  JsonDocument document;
  std::string numbers = "[7", strings = "[\"\"";
  for (int i = 0; i < 5000; ++i) {
    numbers += ",7";
    strings += ",\"\"";
  }
  CHECK(document.parse(numbers + "]").value().elements().size() == 5001);
  CHECK(document.parse(strings + "]").value().elements().size() == 5001);
  document.wipe();
}

TEST_CASE("wipe overwrites the strings that were read") {
  JsonDocument document;
  const std::string_view text = document.parse(R"({"key":"secret"})").value()["key"].string().value();
  REQUIRE(text == "secret");
  document.wipe();
  CHECK(text == std::string_view("\0\0\0\0\0\0", 6));
}

TEST_CASE("wipe reaches the longest text since the last one") {
  JsonDocument document;
  const std::string long_text = "[\"" + std::string(900, 'x') + "\",\"secret\"]";
  const std::string_view text = document.parse(long_text).value().elements()[1].string().value();
  REQUIRE(text == "secret");
  REQUIRE(document.parse("[1]"));
  document.wipe();
  CHECK(text == std::string_view("\0\0\0\0\0\0", 6));
}

TEST_CASE("a document that parsed nothing can be wiped") {
  JsonDocument document;
  document.wipe();
  CHECK(document.parse("1").value().integer() == 1);
}

}  // namespace
}  // namespace shed
