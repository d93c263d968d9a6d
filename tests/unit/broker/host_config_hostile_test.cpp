// Input that means harm, or is no configuration at all.
#include "host_config_testing.h"

using namespace shed::broker;
using namespace shed::broker::testing;

namespace {

std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  out.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

}  // namespace

TEST_CASE("aliases are refused, so that they cannot multiply") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [" + repeated("*a" + std::to_string(i - 1) + ", ", 10) + "x]\n";
  }
  const auto lines = problems_of(bomb);
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.size() <= 100);
  CHECK(std::ranges::any_of(
      lines, [](const std::string& line) { return line.find("anchors") != std::string::npos; }));
}

TEST_CASE("an alias in place of a value is one problem") {
  const auto lines = problems_of("aws: &a { mode: passthrough }\ndocker: *a\n");
  CHECK(lines == std::vector<std::string>{
                     "extensions.yaml:1:6: anchors (&name) are not read here; remove it",
                     "extensions.yaml:2:9: aliases (*name) are not read here; write the value out"});
}

TEST_CASE("a tag of somebody's own is refused") {
  CHECK(problem_of("server: !env HOST").find("the tag !env is not known here") != std::string::npos);
}

TEST_CASE("nesting is bounded in every form it can be written") {
  for (const char* opening : {"[", "{a: ", "- ", "? ", "[? "}) {
    const auto lines = problems_of("server: \n " + repeated(opening, 2000));
    INFO(opening);
    REQUIRE(lines.size() == 1);
    const bool known = lines[0].find("nested deeper than 32 levels") != std::string::npos ||
                       lines[0].find("not valid YAML") != std::string::npos;
    CHECK(known);
  }
  CHECK(problem_of("server: " + repeated("[", 2000)).find("nested deeper than 32 levels") !=
        std::string::npos);
}

TEST_CASE("the number of values is bounded") {
  CHECK(problem_of("docker: { registries: [" + repeated("a,", 70000) + "] }")
            .find("more than 65536 values in one file") != std::string::npos);
}

TEST_CASE("a file of exactly 1 MiB is read and one byte more is not") {
  const std::string comment(kMaxConfigBytes, '#');
  CHECK(problems_of(comment).empty());
  CHECK(problem_of(comment + "#") ==
        "extensions.yaml: larger than 1 MiB, which no configuration needs; is it the right file?");
}

TEST_CASE("a hundred problems are shown, and that there are more") {
  std::string yaml;
  for (int i = 0; i < 1000; ++i) yaml += "zz" + std::to_string(i) + ": 1\n";
  const auto lines = problems_of(yaml);
  REQUIRE(lines.size() == 100);
  CHECK(lines.back() == "extensions.yaml:100:1: and more problems from here on, left out");
}

TEST_CASE("bytes that are no text are refused with their place") {
  const std::string zero("server: x\nssh: \0", 16);
  CHECK(problem_of(zero) ==
        "extensions.yaml:2:6: not a text file in UTF-8: a control character or another encoding");
  CHECK(problem_of("\xFF\xFEs\0e\0").starts_with("extensions.yaml:1:1: not a text file"));
}

TEST_CASE("a zero byte that an escape brings into a path is refused") {
  CHECK(problem_of("logging: { path: \"/var/log\\0/x\" }").find("logging.path has a zero byte") !=
        std::string::npos);
}

TEST_CASE("a second document is refused") {
  CHECK(problem_of("ssh: {}\n---\nssh: {}\n").find("a second document or stray text") != std::string::npos);
}

TEST_CASE("keys that are no text are refused") {
  CHECK(problem_of("[a]: b").find("a key must be a text") != std::string::npos);
  CHECK(problem_of("aws: { sheds: { ~: {} } }").find("a key must be a text") != std::string::npos);
  CHECK(problem_of("aws: { sheds: { \"\": {} } }").find("a name in aws.sheds is empty") != std::string::npos);
}

TEST_CASE("whatever is cut off anywhere is a problem or valid, never a crash") {
  const std::string whole(starter_config());
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    const auto config = parse_host_config(std::string_view(whole).substr(0, length), "x", kHome);
    CHECK((config.has_value() || !config.error().empty()));
  }
}

TEST_CASE("brackets, quotes and indicators without an end are problems") {
  for (const char* text :
       {"[", "{", "{:",  "[:",        "[[:",     "{{", "\"", "'", "&",     "*",   "!",       "%",
        "@", "`", "|-9", "- - -\n -", "a: b: c", "\t", "? ", ":", "--- >", "...", "{!\xdb:", "key: [a\n}"}) {
    const auto config = parse_host_config(text, "x", kHome);
    INFO(text);
    CHECK((config.has_value() || !config.error().empty()));
  }
}
