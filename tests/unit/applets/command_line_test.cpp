#include <catch2/catch.hpp>

#include "command_line.h"

using shed::applets::Applet;
using shed::applets::CommandLine;

namespace {

const Applet kApplet{"demo", "", "For tests", nullptr};

}  // namespace

TEST_CASE("options work with one dash or two") {
  for (const std::string dashes : {"-", "--"}) {
    std::string config;
    CommandLine line(kApplet, "shed-ext demo");
    line.option("--config", config, "a file");
    CHECK_FALSE(line.parse({dashes + "config", "a.yaml"}));
    CHECK(config == "a.yaml");
  }
}

TEST_CASE("the last of several values counts") {
  std::string config;
  CommandLine line(kApplet, "shed-ext demo");
  line.option("--config", config, "a file");
  CHECK_FALSE(line.parse({"--config", "a", "--config", "b"}));
  CHECK(config == "b");
}

TEST_CASE("of two options with optional values each is seen by itself") {
  for (const std::string option : {"--first", "--second"}) {
    bool first = false, second = false;
    std::string value;
    CommandLine line(kApplet, "shed-ext demo");
    line.option_with_optional_value("--first", first, value, "a file");
    line.option_with_optional_value("--second", second, value, "a file");
    CHECK_FALSE(line.parse({option, "x"}));
    CHECK(first == (option == "--first"));
    CHECK(second == (option == "--second"));
    CHECK(value == "x");
  }
}

TEST_CASE("an option with an optional value is seen without one") {
  bool given = false;
  std::string value;
  CommandLine line(kApplet, "shed-ext demo");
  line.option_with_optional_value("--init", given, value, "a file");
  CHECK_FALSE(line.parse({"--init"}));
  CHECK(given);
  CHECK(value.empty());
}

TEST_CASE("a command and its flag are told") {
  bool status = false;
  bool json = false;
  CommandLine line(kApplet, "shed-ext demo");
  line.command("status", status, "how it is");
  line.command_flag("status", "--json", json, "as JSON");
  CHECK_FALSE(line.parse({"status", "--json"}));
  CHECK(status);
  CHECK(json);
}

TEST_CASE("what is unknown ends with status 2") {
  CommandLine line(kApplet, "shed-ext demo");
  CHECK(line.parse({"--nothing"}) == 2);
  CHECK(line.parse({"word"}) == 2);
}
