#include "broker/cut_text.h"

#include <catch2/catch.hpp>

namespace shed::broker {
namespace {

TEST_CASE("a text that fits is left as it is") {
  CHECK(both_ends("", 4).empty());
  CHECK(both_ends("abcd", 4) == "abcd");
  CHECK(front_of("abcd", 4) == "abcd");
  CHECK(back_of("abcd", 9) == "abcd");
}

TEST_CASE("of a longer text both ends are shown") {
  CHECK(both_ends("abcde", 4) == "ab…de");
  CHECK(both_ends("login " + std::string(600, 'x') + "@host", 20) == "login xxxx…xxxxx@host");
}

TEST_CASE("no character is cut in two") {
  CHECK(front_of("aüü", 2) == "a");
  CHECK(back_of("üüa", 2) == "a");
  CHECK(both_ends("üüüü", 6) == "ü…ü");
  CHECK(front_of("\U0001f511x", 3).empty());
}

TEST_CASE("bytes that are no text end") {
  const std::string bytes(100, '\x80');
  CHECK(front_of(bytes, 10).empty());
  CHECK(back_of(bytes, 10).empty());
  CHECK(back_of(bytes + "@host", 10) == "@host");
}

}  // namespace
}  // namespace shed::broker
