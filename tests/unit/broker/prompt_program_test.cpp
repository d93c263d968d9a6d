// Which program prompts, and what its words mean.
#include "broker/prompt_program.h"

#include <random>

#include "prompt_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr std::string_view kHello = "OK Pleased to meet you\n";

std::string script_of(std::string_view text) {
  return *pinentry_script([](const char*) { return std::string(); }, text, 20s);
}

// As pinentry says it when all commands before CONFIRM are taken.
PromptReading confirmed(std::string_view reply) {
  return read_pinentry(script_of("May it?"), fmt::format("{}OK\nOK\nOK\nOK\nOK\n{}", kHello, reply));
}

TEST_CASE_METHOD(ProgramFixture, "SSH_ASKPASS is the program where it is set, pinentry of PATH where not") {
  const std::string pinentry = program("pinentry", "");
  variables["PATH"] = "relative:" + programs();
  auto found = find_prompt_program(variable());
  REQUIRE(found);
  CHECK(found->is_pinentry);
  CHECK(std::filesystem::equivalent(found->path, pinentry));
  variables["SSH_ASKPASS"] = program("ask", "");
  found = find_prompt_program(variable());
  REQUIRE(found);
  CHECK_FALSE(found->is_pinentry);
  CHECK(found->path == folder / "ask");
  variables["SSH_ASKPASS"] = "ask";
  CHECK(std::filesystem::equivalent(find_prompt_program(variable())->path, folder / "ask"));
}

TEST_CASE_METHOD(ProgramFixture,
                 "an SSH_ASKPASS that cannot be started is said, and nothing else is started") {
  (void)program("pinentry", "");
  variables["PATH"] = programs();
  variables["SSH_ASKPASS"] = GENERATE(as<std::string>{}, "/nowhere/ask", "nowhere", "/", "./ask");
  const auto found = find_prompt_program(variable());
  REQUIRE_FALSE(found);
  CHECK(found.error().text() == fmt::format("SSH_ASKPASS is {}, which is no program; correct it or unset it",
                                            variables["SSH_ASKPASS"]));
}

TEST_CASE("a prompt program gets what it needs to show itself, and no secrets") {
  const Variable all = [](const char* name) { return std::string("of ") + name; };
  const auto words = prompt_environment(all, false);
  const auto has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
  CHECK(has("SSH_ASKPASS_PROMPT=confirm"));
  CHECK(has("DISPLAY=of DISPLAY"));
  CHECK(has("WAYLAND_DISPLAY=of WAYLAND_DISPLAY"));
  CHECK(has("GPG_TTY=of GPG_TTY"));
  for (const std::string& word : words) {
    CHECK_FALSE(word.starts_with("SSH_AUTH_SOCK="));
    CHECK_FALSE(word.starts_with("AWS_"));
  }
}

TEST_CASE("pinentry is told the whole question in lines that cannot be broken out of") {
  const Variable tty = [](const char* name) {
    return std::string(name) == "GPG_TTY" ? std::string("/dev/pts/1\nCONFIRM") : std::string();
  };
  const auto script = pinentry_script(tty, "100% sure?\r\nCONFIRM", 20'900ms);
  REQUIRE(script);
  CHECK(*script ==
        "OPTION ttyname=/dev/pts/1%0ACONFIRM\nSETTITLE shed-ext\nSETTIMEOUT 20\nSETOK Allow\nSETCANCEL Deny\n"
        "SETDESC 100%25 sure?%0D%0ACONFIRM\nCONFIRM\nBYE\n");
  CHECK_THAT(*pinentry_script(tty, "x", 0ms), Catch::Contains("SETTIMEOUT 1\n"));
}

TEST_CASE("a question that makes a line too long for Assuan is not put") {
  const Variable none = [](const char*) { return std::string(); };
  CHECK(pinentry_script(none, std::string(991, 'x'), 20s));
  const auto script = pinentry_script(none, std::string(992, 'x'), 20s);
  REQUIRE_FALSE(script);
  CHECK(script.error().code() == Errc::kLimit);
}

TEST_CASE("OK to CONFIRM is the only yes of pinentry") {
  CHECK(confirmed("OK\nOK closing connection\n").answer == PromptAnswer::kYes);
  CHECK(confirmed("# a remark\nS BUTTON_INFO close\nOK\n").answer == PromptAnswer::kYes);
  CHECK(confirmed("ERR 83886194 Not confirmed <Pinentry>\n").answer == PromptAnswer::kNo);
  CHECK(confirmed("ERR 83886179 Operation cancelled <Pinentry>\n").answer == PromptAnswer::kNo);
  CHECK(confirmed("ERR 83886142 Timeout <Pinentry>\n").answer == PromptAnswer::kTimedOut);
}

TEST_CASE("whatever else pinentry says is no answer") {
  const auto [reply, cause] = GENERATE(table<std::string, std::string>({
      {"", "it ended without an answer"},
      {"OK", "it ended without an answer"},  // cut off
      {"OKAY\n", "what it says is no answer"},
      {"yes\n", "what it says is no answer"},
      {"ok\n", "what it says is no answer"},
      {"D OK\n", "it ended without an answer"},
      {"ERR\n", "an error without its number"},
      {"ERR no\n", "an error without its number"},
      {"ERR 83886355 Inappropriate ioctl <Pinentry>\n", "ERR 83886355 Inappropriate ioctl <Pinentry>"},
  }));
  CAPTURE(reply);
  const PromptReading reading = confirmed(reply);
  CHECK(reading.answer == PromptAnswer::kUnclear);
  CHECK(reading.cause == cause);
}

TEST_CASE("a pinentry that does not greet, or does not take the question, has not asked") {
  CHECK(read_pinentry(script_of("x"), "OK\nOK\nOK\nOK\nOK\n").answer == PromptAnswer::kUnclear);
  CHECK(read_pinentry(script_of("x"), "").answer == PromptAnswer::kUnclear);
  CHECK(read_pinentry(script_of("x"), "<html>\nOK\nOK\nOK\nOK\nOK\nOK\n").cause ==
        "it does not greet as pinentry does");
  CHECK(read_pinentry(script_of("x"), fmt::format("{}OK\nOK\nOK\nOK\nERR 1 no\nOK\n", kHello)).cause ==
        "it does not show the question");
}

TEST_CASE("an option that pinentry does not know changes nothing") {
  CHECK(read_pinentry(script_of("x"),
                      fmt::format("{}ERR 83886254 Unknown option\nOK\nOK\nOK\nOK\nOK\n", kHello))
            .answer == PromptAnswer::kYes);
}

TEST_CASE("exit status 0 without words is the only yes of an askpass program") {
  CHECK(read_askpass(0, "").answer == PromptAnswer::kYes);
  CHECK(read_askpass(0, "\n").answer == PromptAnswer::kYes);
  CHECK(read_askpass(0, "yes\n").answer == PromptAnswer::kYes);
  CHECK(read_askpass(0, "hunter2\n").answer == PromptAnswer::kUnclear);
  CHECK(read_askpass(0, "no\n").answer == PromptAnswer::kUnclear);
  CHECK(read_askpass(1, "").answer == PromptAnswer::kNo);
  CHECK(read_askpass(1, "yes").answer == PromptAnswer::kNo);
  CHECK(read_askpass(2, "yes").cause == "exit code 2");
}

// Numbers that are the same on each run.
std::string noise(unsigned seed, std::size_t size) {
  std::minstd_rand numbers(seed + 1);
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(numbers() >> 8);
  return bytes;
}

TEST_CASE("noise is no answer, of neither kind of program") {
  const std::string script = script_of("May it?");
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    const std::string bytes = noise(seed, 1 + seed % 300);
    CAPTURE(seed);
    REQUIRE(read_pinentry(script, bytes).answer == PromptAnswer::kUnclear);
    REQUIRE(confirmed("\x01" + bytes).answer == PromptAnswer::kUnclear);
    REQUIRE(read_askpass(0, "\x01" + bytes).answer == PromptAnswer::kUnclear);
  }
}

TEST_CASE("what pinentry says is no yes as long as its last byte is missing") {
  const std::string script = script_of("May it?");
  const std::string whole = fmt::format("{}OK\nOK\nOK\nOK\nOK\n# so\nOK yes\n", kHello);
  REQUIRE(read_pinentry(script, whole).answer == PromptAnswer::kYes);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    REQUIRE(read_pinentry(script, whole.substr(0, size)).answer == PromptAnswer::kUnclear);
  }
}

TEST_CASE("a byte of pinentry's that is another one never turns a no into a yes") {
  const std::string script = script_of("May it?");
  const std::string no = fmt::format("{}OK\nOK\nOK\nOK\nOK\nERR 83886194 Not confirmed <Pinentry>\n", kHello);
  REQUIRE(read_pinentry(script, no).answer == PromptAnswer::kNo);
  for (std::size_t at = 0; at < no.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string other = no;
      other[at] = static_cast<char>(byte);
      CAPTURE(at, byte);
      REQUIRE(read_pinentry(script, other).answer != PromptAnswer::kYes);
    }
  }
}

TEST_CASE("lines without end, and of nothing, are no answer") {
  const std::string long_line(100'000, 'x');
  CHECK(confirmed(long_line + "\n").answer == PromptAnswer::kUnclear);
  CHECK(confirmed("OK" + long_line + "\n").answer == PromptAnswer::kUnclear);
  CHECK(confirmed("ERR " + std::string(100, '9') + "\n").cause == "an error without its number");
  CHECK(confirmed("\n\n\nOK\n").answer == PromptAnswer::kUnclear);
  CHECK(confirmed(std::string(10'000, '\n')).answer == PromptAnswer::kUnclear);
  CHECK(confirmed(std::string("OK\0\n", 4)).answer == PromptAnswer::kUnclear);
  CHECK(read_askpass(0, long_line).answer == PromptAnswer::kUnclear);
  CHECK(read_askpass(0, std::string(1, '\0')).answer == PromptAnswer::kUnclear);
}

TEST_CASE("an endless error of pinentry is quoted in part") {
  const PromptReading reading = confirmed("ERR 1 " + std::string(5'000, 'x') + "\n");
  CHECK(reading.answer == PromptAnswer::kUnclear);
  CHECK(reading.cause.size() < 1'000);
}

}  // namespace
}  // namespace shed::broker
