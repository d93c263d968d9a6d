#include "shed/broker/signing_tokens.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>

#include "ssh_fixture.h"

namespace shed::broker {
namespace {

using namespace std::chrono_literals;
using namespace testing;

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kOther = "fedcba9876543210";

struct Fixture {
  void write(std::string_view text, mode_t mode = 0600) {
    write_to_file(path, text);
    ::chmod(path.c_str(), mode);
  }
  Result<SigningTokens> open(std::string_view text) {
    write(text);
    return SigningTokens::open(path, clock);
  }
  void write_stamp() { ::chmod(path.c_str(), 0400); }
  net::TemporaryFolder folder;
  FakeClock clock;
  LogLines log;
  std::string path = folder / "tokens";
};

// While it lives no file can be opened.
class OutOfDescriptors {
 public:
  OutOfDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none{0, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~OutOfDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

std::string bearer(std::string_view token) { return fmt::format("Bearer {}", token); }

TEST_CASE("the one token of a file has no name of its own") {
  Fixture it;
  auto tokens = it.open(fmt::format("{}\n", kToken));
  REQUIRE(tokens);
  CHECK(tokens->name_of(bearer(kToken)).value() == "container");
}

TEST_CASE("each container's token tells its name") {
  Fixture it;
  auto tokens = it.open(fmt::format("# who\n\nweb {}\r\n  ci\t {}  \n", kToken, kOther));
  REQUIRE(tokens);
  CHECK(tokens->name_of(bearer(kToken)).value() == "web");
  CHECK(tokens->name_of(bearer(kOther)).value() == "ci");
}

TEST_CASE("what is no bearer token is missing, and what is another one is wrong") {
  Fixture it;
  auto tokens = it.open(kToken);
  REQUIRE(tokens);
  const std::string missing = GENERATE("", "Bearer", "Bearer ", "Basic dTpw", "0123456789abcdef");
  CHECK(tokens->name_of(missing).error().text() == "missing bearer token");
  const std::string wrong = GENERATE("0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "x");
  const auto refused = tokens->name_of(bearer(wrong));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kRefused);
  CHECK(refused.error().text() == "wrong bearer token");
}

TEST_CASE("a wrong file is an error that names the line and has nothing of it") {
  Fixture it;
  const std::string text =
      GENERATE("", "\n# only this\n", "short", "web short", "web 0123456789abcdef x", "we:b 0123456789abcdef",
               "0123456789abcdef\nfedcba9876543210", "a 0123456789abcdef\nb 0123456789abcdef");
  const auto tokens = it.open(text);
  REQUIRE_FALSE(tokens);
  CHECK_THAT(tokens.error().text(), Catch::StartsWith(it.path + ": "));
  CHECK(tokens.error().text().find("0123456789abcdef") == std::string::npos);
}

TEST_CASE("a file that others may read is refused") {
  Fixture it;
  it.write(kToken, 0640);
  CHECK(SigningTokens::open(it.path).error().code() == Errc::kPermission);
}

TEST_CASE("a changed file is in force with the next request") {
  Fixture it;
  auto tokens = it.open(kToken);
  REQUIRE(tokens);
  it.write(fmt::format("web {}", kOther));
  CHECK(tokens->name_of(bearer(kOther)).value() == "web");
  CHECK(tokens->name_of(bearer(kToken)).error().code() == Errc::kRefused);
}

TEST_CASE("a file that has become wrong lets nobody in until it is right") {
  Fixture it;
  auto tokens = it.open(kToken);
  REQUIRE(tokens);
  const std::string text = GENERATE("", "short");
  it.write(text);
  CHECK(tokens->name_of(bearer(kToken)).error().code() == Errc::kUnavailable);
  CHECK(it.log.count("nobody is let in until it is right") == 1);
  it.write(fmt::format("{}\n", kToken));
  CHECK(tokens->name_of(bearer(kToken)));
}

TEST_CASE("a token file that cannot be read for once is tried anew with each request") {
  Fixture it;
  auto tokens = it.open(kToken);
  REQUIRE(tokens);
  it.clock.set_wall(std::chrono::system_clock::now() + 1h);
  CHECK(tokens->name_of(bearer(kToken)));
  {
    const OutOfDescriptors nothing_opens;
    it.write_stamp();
    CHECK(tokens->name_of(bearer(kToken)).error().code() == Errc::kUnavailable);
    CHECK(tokens->name_of(bearer(kToken)).error().code() == Errc::kUnavailable);
  }
  CHECK(tokens->name_of(bearer(kToken)));
  CHECK(it.log.count("nobody is let in until it is right") == 1);
  CHECK(it.log.count("it is in force") == 1);
}

TEST_CASE("a token file that is read again and is the same is not said to have changed") {
  Fixture it;
  auto tokens = it.open(kToken);
  REQUIRE(tokens);
  it.write(kToken);
  CHECK(tokens->name_of(bearer(kToken)));
  CHECK(it.log.count("it is in force") == 0);
}

TEST_CASE("there are as many tokens as the bound says") {
  Fixture it;
  std::string text;
  for (std::size_t i = 0; i < kMaxSigningTokens; ++i) text += fmt::format("c {:016}\n", i);
  CHECK(it.open(text));
  CHECK(it.open(text + "c 0123456789abcdef").error().code() == Errc::kLimit);
}

}  // namespace
}  // namespace shed::broker
