#include "shed/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "shed/base/file.h"
#include "support/fake_clock.h"

namespace shed {
namespace {

// Collects lines while it lives, and puts everything back.
class Lines {
 public:
  Lines() {
    log::set_program("test");
    log::set_sink([this](log::Level level, std::string_view line) {
      levels.push_back(level);
      text.emplace_back(line);
    });
  }
  ~Lines() {
    log::set_sink({});
    log::set_level(log::Level::kInfo);
    log::set_program("shed-ext");
  }
  Lines(const Lines&) = delete;

  std::vector<log::Level> levels;
  std::vector<std::string> text;
};

TEST_CASE("a line names program and level") {
  const Lines lines;
  log::set_level(log::Level::kDebug);
  log::debug("a {}", 1);
  log::info("b");
  log::warning("c");
  log::error("d");
  CHECK(lines.text ==
        std::vector<std::string>{"test: debug: a 1", "test: b", "test: warning: c", "test: error: d"});
  CHECK(lines.levels[2] == log::Level::kWarning);
}

TEST_CASE("debug lines are not written by default") {
  const Lines lines;
  log::debug("hidden");
  log::info("shown");
  CHECK(lines.text == std::vector<std::string>{"test: shown"});
}

TEST_CASE("lines below the chosen level are not written") {
  const Lines lines;
  log::set_level(log::Level::kError);
  log::warning("hidden");
  log::error("shown");
  CHECK(lines.text == std::vector<std::string>{"test: error: shown"});
}

TEST_CASE("a text from outside cannot make a line of its own") {
  const Lines lines;
  log::warning("name\ntest: all is well\r\x1b[2K\t\x7f");
  CHECK(lines.text[0] == R"(test: warning: name\ntest: all is well\r\x1b[2K\t\x7f)");
}

TEST_CASE("what turns a terminal's direction or ends a line in Unicode is made visible") {
  const Lines lines;
  log::info("a\u202eb\u2028c\u009bd\u2066e");
  CHECK(lines.text[0] == R"(test: a\u202eb\u2028c\u009bd\u2066e)");
}

TEST_CASE("characters that take no room are made visible") {
  const Lines lines;
  log::info("git\u200bhub\u2060.\u00adcom\ufeff\u3164\U000e0041");
  CHECK(lines.text[0] == R"(test: git\u200bhub\u2060.\u00adcom\ufeff\u3164\ue0041)");
}

TEST_CASE("letters of any script are left alone") {
  const Lines lines;
  log::info("caf\u00e9 \u65e5\u672c \U0001F511");
  CHECK(lines.text[0] == "test: caf\u00e9 \u65e5\u672c \U0001F511");
}

TEST_CASE("bytes that are not UTF-8 are made visible") {
  const Lines lines;
  log::info("{}", "a\xff\xc3");
  CHECK(lines.text[0] == R"(test: a\xff\xc3)");
}

TEST_CASE("a line of unreasonable length is cut") {
  const Lines lines;
  log::info("{}", std::string(1 << 20, 'x'));
  CHECK(lines.text[0].size() <= 4095);
  CHECK(lines.text[0].ends_with("xxx..."));
}

TEST_CASE("a line goes to stderr in one piece") {
  log::set_program("test");
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_NONBLOCK) == 0);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  const UniqueFd saved(dup(STDERR_FILENO));
  dup2(out.get(), STDERR_FILENO);
  log::error("broken");
  dup2(saved.get(), STDERR_FILENO);
  out.reset();
  std::array<char, 100> text{};
  const ssize_t count = read(in.get(), text.data(), text.size());
  REQUIRE(count > 0);
  CHECK(std::string_view(text.data(), static_cast<std::size_t>(count)) == "test: error: broken\n");
  log::set_program("shed-ext");
}

TEST_CASE("one line per cause and minute gets through") {
  const Lines lines;
  FakeClock clock;
  log::Limiter limiter(clock);
  limiter.warning("size", "first");
  limiter.warning("size", "second");
  limiter.warning("other", "third");
  CHECK(lines.text == std::vector<std::string>{"test: warning: first", "test: warning: third"});
}

TEST_CASE("the next line of a cause says how many were left out") {
  const Lines lines;
  FakeClock clock;
  log::Limiter limiter(clock);
  for (int i = 0; i < 5; ++i) limiter.warning("size", "too large");
  clock.advance(Millis(59'999));
  limiter.warning("size", "too large");
  REQUIRE(lines.text.size() == 1);
  clock.advance(Millis(1));
  limiter.warning("size", "too large");
  clock.advance(Millis(60'000));
  limiter.warning("size", "too large");
  CHECK(lines.text == std::vector<std::string>{"test: warning: too large",
                                               "test: warning: too large (5 more like this were left out)",
                                               "test: warning: too large"});
}

TEST_CASE("of too many causes the oldest is forgotten") {
  const Lines lines;
  FakeClock clock;
  log::Limiter limiter(clock);
  for (int i = 0; i < 65; ++i) {
    limiter.warning(fmt::format("cause {}", i), "text");
    clock.advance(Millis(1));
  }
  REQUIRE(lines.text.size() == 65);
  limiter.warning("cause 64", "text");
  limiter.warning("cause 1", "text");
  CHECK(lines.text.size() == 65);
  limiter.warning("cause 0", "text");
  CHECK(lines.text.size() == 66);
}

}  // namespace
}  // namespace shed
