#include "shed/bus/token_file.h"

#include <sys/stat.h>

#include <fstream>

#include "bus_fixture.h"

namespace shed::bus {
namespace {

struct TokenFixture {
  void write(std::string_view text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
  net::TemporaryFolder folder;
  std::string path = folder / "token";
};

TEST_CASE("a token file that is missing is made, for its owner alone") {
  TokenFixture fixture;
  const auto made = open_token_file(fixture.path);
  REQUIRE(made);
  CHECK(made->made);
  CHECK(made->token.size() == 64);
  struct stat info{};
  REQUIRE(::stat(fixture.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const auto again = open_token_file(fixture.path);
  REQUIRE(again);
  CHECK_FALSE(again->made);
  CHECK(again->token.reveal() == made->token.reveal());
}

TEST_CASE("a token is the one line of its file") {
  TokenFixture fixture;
  fixture.write("0123456789abcdef\r\n");
  const auto token = read_token_file(fixture.path);
  REQUIRE(token);
  CHECK(token->reveal() == "0123456789abcdef");
}

TEST_CASE("what is no token is refused, and the text never repeats it") {
  TokenFixture fixture;
  const std::string long_one(kMaxToken + 1, 'x');
  for (const std::string& text :
       {std::string(), std::string("short"), std::string("0123456789abcde f"),
        std::string("0123456789abcdef\n0123456789abcdef\n"), long_one, std::string("0123456789abcdef\x01")}) {
    fixture.write(text);
    const auto token = read_token_file(fixture.path);
    REQUIRE_FALSE(token);
    CHECK(token.error().text().starts_with(fixture.path));
    CHECK(token.error().text().find("0123456789") == std::string::npos);
  }
}

TEST_CASE("a token file that others may read is refused with the remedy, and not replaced") {
  TokenFixture fixture;
  fixture.write("0123456789abcdef\n", 0640);
  const auto token = open_token_file(fixture.path);
  REQUIRE_FALSE(token);
  CHECK(token.error().code() == Errc::kPermission);
  CHECK(token.error().text() == fixture.path + ": other users may use it; run chmod 600 on it");
}

}  // namespace
}  // namespace shed::bus
