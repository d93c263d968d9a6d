#include "shed/base/json_edit.h"

#include <catch2/catch.hpp>

using namespace shed;

namespace {

std::string edited(std::string_view text) {
  const auto result = json_with_member(text, "credsStore", "shed");
  INFO(text << ": " << (result ? "" : result.error().text()));
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("a member that is missing is added in front, and the rest stays as it was") {
  CHECK(edited("{\"a\": 1.0,\n  \"b\": [ ]}\n") ==
        "{\n\t\"credsStore\": \"shed\",\"a\": 1.0,\n  \"b\": [ ]}\n");
}

TEST_CASE("an empty object or file gets the one member") {
  const auto text = GENERATE("{}", "", " \n");
  CHECK(edited(text) == "{\n\t\"credsStore\": \"shed\"\n}");
}

TEST_CASE("a member that is there is replaced where it stands") {
  CHECK(edited(R"({"a": 1, "credsStore" : "pass" , "b": 2})") ==
        R"({"a": 1, "credsStore" : "shed" , "b": 2})");
  CHECK(edited(R"({"credsStore":"shed"})") == R"({"credsStore":"shed"})");
  CHECK(edited("{\"credsStore\": {\"x\": [1, 2]}\n}") == "{\"credsStore\": \"shed\"\n}");
  CHECK(edited(R"({"credsStore": null, "a": 1})") == R"({"credsStore": "shed", "a": 1})");
  CHECK(edited(R"({"credsStore": "with \"quotes\"", "a": 1})") == R"({"credsStore": "shed", "a": 1})");
}

TEST_CASE("the same name deeper down is another member") {
  CHECK(edited(R"({"a": {"credsStore": "x"}})") ==
        "{\n\t\"credsStore\": \"shed\",\"a\": {\"credsStore\": \"x\"}}");
}

TEST_CASE("what is no JSON object is left alone") {
  CHECK(json_with_member("[]", "a", "b").error().text() == "it is not a JSON object");
  CHECK(json_with_member("{\n\"a\": nope}", "a", "b").error().text() == "not well-formed JSON");
}
