#include "approve/keys.h"

#include <catch2/catch.hpp>

#include "support/fake_clock.h"

namespace shed::applets {
namespace {

using namespace std::chrono_literals;

std::string keys_of(std::string_view bytes) {
  const FakeClock clock;
  KeyReader reader;
  const auto keys = reader.read(bytes, clock.now());
  return {keys.begin(), keys.end()};
}

TEST_CASE("letters are keys") { CHECK(keys_of("ogq?1") == "ogq?1"); }

TEST_CASE("what a terminal sends for a special key is no letter") {
  // Arrows, keypad in application mode (ESC O o is its "/"), F5, a mouse report, Alt with a letter.
  const std::string bytes = GENERATE(as<std::string>{}, "\x1b[A", "\x1bOo", "\x1bOs", "\x1b[15~",
                                     "\x1b[<0;10;10o", "\x1bs", "\x1b\x1b[D");
  CHECK(keys_of(bytes).empty());
  CHECK(keys_of(bytes + "d") == "d");
}

TEST_CASE("what is pasted is no key") {
  CHECK(keys_of("\x1b[200~good session\n\x1b[201~d") == "d");
  CHECK(keys_of("\x1b[200~a\x1b[A o").empty());
}

TEST_CASE("a sequence that comes in pieces is one sequence") {
  const FakeClock clock;
  KeyReader reader;
  CHECK(reader.read("\x1b", clock.now()) == std::vector<Key>{kEscape});
  CHECK(reader.read("[20", clock.now()).empty());
  CHECK(reader.read("0~os", clock.now()).empty());
  CHECK(reader.pasting());
  CHECK(reader.read("o\x1b[201", clock.now()).empty());
  CHECK(reader.read("~d", clock.now()) == std::vector<Key>{'d'});
}

TEST_CASE("a paste on a slow line is a paste") {
  FakeClock clock;
  KeyReader reader;
  for (const std::string_view piece : {"\x1b[2", "00", "~o", "s"}) {
    CHECK(reader.read(piece, clock.now()).empty());
    clock.advance(5s);
  }
}

TEST_CASE("a letter long after ESC is a key") {
  FakeClock clock;
  KeyReader reader;
  CHECK(reader.read("\x1b", clock.now()) == std::vector<Key>{kEscape});
  clock.advance(KeyReader::kSequenceTime + 1ms);
  CHECK(reader.read("d", clock.now()) == std::vector<Key>{'d'});
}

TEST_CASE("control characters and other alphabets are keys that mean nothing") {
  const FakeClock clock;
  KeyReader reader;
  CHECK(reader.read("\x01\r\xc3\xb6", clock.now()) == std::vector<Key>(4, kOther));
}

TEST_CASE("a sequence without end takes no memory and no letters") {
  const std::string bytes = "\x1b[" + std::string(100'000, '1');
  CHECK(keys_of(bytes).empty());
}

}  // namespace
}  // namespace shed::applets
