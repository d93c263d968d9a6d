#include "shed/base/glob.h"

#include <catch2/catch.hpp>
#include <string>

namespace shed {
namespace {

TEST_CASE("a pattern without a star or question mark matches itself alone") {
  CHECK(glob_matches("ci-1", "ci-1"));
  CHECK_FALSE(glob_matches("ci-1", "ci-"));
  CHECK_FALSE(glob_matches("ci-", "ci-1"));
  CHECK_FALSE(glob_matches("xci-1", "ci-1"));
  CHECK(glob_matches("", ""));
  CHECK_FALSE(glob_matches("a", ""));
}

TEST_CASE("a star is any text and a question mark any character") {
  CHECK(glob_matches("ci-1", "ci-*"));
  CHECK(glob_matches("ci-", "ci-*"));
  CHECK(glob_matches("", "*"));
  CHECK(glob_matches("a.b.example", "*.example"));
  CHECK(glob_matches("abcabd", "*ab?"));
  CHECK(glob_matches("mississippi", "m*iss*ip*i"));
  CHECK_FALSE(glob_matches("mississippi", "m*iss*ix*i"));
  CHECK(glob_matches("ci-1", "ci-?"));
  CHECK_FALSE(glob_matches("ci-", "ci-?"));
  CHECK_FALSE(glob_matches("ci-12", "ci-?"));
}

TEST_CASE("letters count unless they are said not to") {
  CHECK_FALSE(glob_matches("CI", "ci"));
  CHECK(glob_matches("CI", "ci", LetterCase::kIgnored));
  CHECK(glob_matches("one.EXAMPLE", "ONE.*ple", LetterCase::kIgnored));
  CHECK_FALSE(glob_matches("[", "{", LetterCase::kIgnored));
}

TEST_CASE("many stars against a long text take no more than the product of both") {
  std::string pattern;
  for (int i = 0; i < 64; ++i) pattern += "*a";
  CHECK_FALSE(glob_matches(std::string(4096, 'a'), pattern + "b"));
  CHECK(glob_matches(std::string(4096, 'a'), pattern));
}

}  // namespace
}  // namespace shed
