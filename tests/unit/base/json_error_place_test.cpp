#include <catch2/catch.hpp>

#include "shed/base/json.h"

using namespace shed;

namespace {

std::string place(std::string_view text) {
  const auto found = json_error_place(text);
  return found ? fmt::format("{}:{}", found->line, found->column) : "nowhere";
}

}  // namespace

TEST_CASE("the place of a JSON error is told with line and column") {
  CHECK(place("{\"a\": nope}") == "1:7");
  CHECK(place("{\n  \"a\": 1,\n  \"b\" 2\n}") == "3:7");
  CHECK(place("{\"a\": [1, 2, {\"c\": tru}]}") == "1:20");
}

TEST_CASE("well-formed JSON has no place of an error") {
  const auto text = GENERATE("{}", "[]", "{\"a\": [1, 2.5, \"x\", null, true]}", "{\"a\": {\"b\": {}}}");
  CHECK(place(text) == "nowhere");
}

TEST_CASE("the error of a file has its place where the JSON is broken, and not where its content is wrong") {
  const Error error(Errc::kInvalid, "not well-formed JSON");
  CHECK(json_error_in("a.json", error, "{\n\"a\": nope}").text() == "a.json:2:6: not well-formed JSON");
  CHECK(json_error_in("a.json", error, "{}").text() == "a.json: not well-formed JSON");
}

TEST_CASE("any broken text is survived") {
  const auto text = GENERATE("", " ", "{", "[", "\"", "{\"a", "{\"a\":", "\xff", "nul", "{\"a\": \"\\q\"}");
  CHECK_FALSE(JsonDocument().parse(text));
  const auto found = json_error_place(text);
  if (found) CHECK(found->line >= 1);
}
