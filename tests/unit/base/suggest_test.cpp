#include "shed/base/suggest.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>

namespace shed {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"ssh-agent", "host",    "policy",
                                                    "up",        "install", "aws-credentials"};

TEST_CASE("swapped letters are one mistake") { CHECK(nearest("ssh-agnet", kNames) == "ssh-agent"); }

TEST_CASE("a missing letter is found") { CHECK(nearest("polcy", kNames) == "policy"); }

TEST_CASE("a letter too many is found") { CHECK(nearest("hosst", kNames) == "host"); }

TEST_CASE("upper case is no mistake") { CHECK(nearest("POLICY", kNames) == "policy"); }

TEST_CASE("what is too far away is not suggested") {
  CHECK(nearest("frobnicate", kNames).empty());
  // 2 of 4 letters differ.
  CHECK(nearest("hoax", kNames).empty());
  // 4 differences are too many in a name of any length.
  CHECK(nearest("aws-credentialsabcd", kNames).empty());
}

TEST_CASE("three mistakes in a long name are found") {
  CHECK(nearest("aws-credentialsabc", kNames) == "aws-credentials");
}

TEST_CASE("two letters are too few to guess from") { CHECK(nearest("ip", kNames).empty()); }

TEST_CASE("the nearest wins, and of equals the first") {
  constexpr std::array<std::string_view, 3> names = {"statuses", "stature", "status"};
  CHECK(nearest("statu", names) == "status");
  constexpr std::array<std::string_view, 2> equals = {"abcd1", "abcd2"};
  CHECK(nearest("abcd3", equals) == "abcd1");
}

TEST_CASE("a very long text has no suggestion") {
  CHECK(nearest(std::string(100'000, 'a'), kNames).empty());
  const std::string longest(64, 'a');
  const std::array<std::string_view, 1> names = {longest};
  CHECK(nearest(std::string(63, 'a'), names) == longest);
}

TEST_CASE("there may be nothing to suggest from") { CHECK(nearest("host", {}).empty()); }

}  // namespace
}  // namespace shed
