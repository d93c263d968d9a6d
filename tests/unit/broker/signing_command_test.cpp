#include "shed/broker/signing_command.h"

#include <catch2/catch.hpp>
#include <sstream>

namespace shed::broker {
namespace {

SigningCommand parse(std::string_view line) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(line)};
  for (std::string word; stream >> word;) words.push_back(word);
  return parse_signing_command(words);
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("what git says when it signs is understood") {
  const SigningCommand command = parse("-Y sign -n git -f /tmp/key -U /tmp/buffer");
  CHECK(command.operation == "sign");
  CHECK(command.name_space == "git");
  CHECK(command.file == "/tmp/key");
  CHECK(command.files == Words{"/tmp/buffer"});
  CHECK(command.foreign.empty());
}

TEST_CASE("what git says when it verifies is understood") {
  const SigningCommand command =
      parse("-Y verify -n git -f allowed -I jane -s sig -Overify-time=20260101 -r revoked");
  CHECK(command.operation == "verify");
  CHECK(command.principal == "jane");
  CHECK(command.signature == "sig");
  CHECK(command.revoked == "revoked");
  CHECK(command.options == Words{"verify-time=20260101"});
}

TEST_CASE("values may be glued to their options, and flags to each other") {
  const SigningCommand command = parse("-qvUYsign -ngit -fkey -Oa -O b file");
  CHECK(command.operation == "sign");
  CHECK(command.name_space == "git");
  CHECK(command.file == "key");
  CHECK(command.options == Words{"a", "b"});
  CHECK(command.quiet);
  CHECK(command.files == Words{"file"});
}

TEST_CASE("a value may look like an option") {
  const SigningCommand command = parse("-Y sign -n -f -f -- x");
  CHECK(command.name_space == "-f");
  CHECK(command.file == "--");
  CHECK(command.files == Words{"x"});
}

TEST_CASE("the first word that is no option ends them") {
  const SigningCommand command = parse("-Y sign file -n git");
  CHECK_FALSE(command.name_space);
  CHECK(command.files == Words{"file", "-n", "git"});
}

TEST_CASE("two dashes end the options, one is standard input") {
  CHECK(parse("-Y sign -- -n").files == Words{"-n"});
  CHECK(parse("-Y sign -- --").files == Words{"--"});
  CHECK(parse("-Y sign - x").files == Words{"-", "x"});
}

TEST_CASE("the last of several values counts") {
  const SigningCommand command = parse("-Y verify -Y sign -n a -n b");
  CHECK(command.operation == "sign");
  CHECK(command.name_space == "b");
}

TEST_CASE("the first option that is another program's is named") {
  CHECK(parse("-Y sign -t rsa -l").foreign == "-t");
  CHECK(parse("-Y sign -ql -t rsa").foreign == "-l");
  CHECK(parse("--version").foreign == "--");
}

TEST_CASE("the value of another program's option is no file") {
  CHECK(parse("-Y sign -b 4096 file").files == Words{"file"});
}

TEST_CASE("an option that lacks its value is named") {
  CHECK(parse("-Y sign -n").foreign == "-n");
  CHECK(parse("-Y").foreign == "-Y");
  CHECK(parse("-Y").operation.empty());
}

TEST_CASE("an empty word is a file, as for getopt") {
  const Words words{"-Y", "sign", "", "x"};
  CHECK(parse_signing_command(words).files == Words{"", "x"});
}

TEST_CASE("no words are no operation") { CHECK(parse("").operation.empty()); }

}  // namespace shed::broker
