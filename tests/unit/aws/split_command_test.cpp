#include <catch2/catch.hpp>

#include "shed/aws/program.h"

namespace shed::aws {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("blanks separate words, however many") {
  CHECK(*split_command("  /opt/tool  get\tkeys \n") == Words{"/opt/tool", "get", "keys"});
}

TEST_CASE("quotes hold a word together") {
  CHECK(*split_command(R"("/opt/my tool" --name="a b" 'c d'e)") ==
        Words{"/opt/my tool", "--name=a b", "c de"});
  CHECK(*split_command(R"(tool "" '')") == Words{"tool", "", ""});
  CHECK(*split_command(R"(tool "it's" 'say "so"')") == Words{"tool", "it's", "say \"so\""});
}

TEST_CASE("a backslash takes the next character, but not in single quotes") {
  CHECK(*split_command(R"(my\ tool \"a\" "b\"c" 'd\e' f\\g)") ==
        Words{"my tool", "\"a\"", "b\"c", "d\\e", "f\\g"});
}

TEST_CASE("in double quotes a backslash takes a quote or a backslash, and stands for itself else") {
  CHECK(*split_command(R"(tool "a\nb" "C:\dir\\x" "\"")") == Words{"tool", "a\\nb", "C:\\dir\\x", "\""});
}

TEST_CASE("what a shell would do is not done") {
  CHECK(*split_command("tool $HOME ~ a;b | c *") == Words{"tool", "$HOME", "~", "a;b", "|", "c", "*"});
}

TEST_CASE("a command that does not end, or is none, is refused") {
  for (const char* line : {"tool \"a", "tool 'a", "tool a\\", "", "   "}) {
    CAPTURE(line);
    REQUIRE_FALSE(split_command(line));
    CHECK(split_command(line).error().code() == Errc::kInvalid);
  }
  CHECK(split_command("tool 'secret").error().text() == "a quote is not closed");
}

}  // namespace
}  // namespace shed::aws
