#include "shed/base/secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <type_traits>

namespace shed {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::is_convertible_v<std::string_view, Secret>);

TEST_CASE("wiping a string overwrites its spare capacity too") {
  std::string text(200, 's');
  text.resize(10);
  const char* data = text.data();
  const std::size_t capacity = text.capacity();
  wipe(text);
  CHECK(text.empty());
  REQUIRE(text.capacity() == capacity);
  text.resize(capacity);  // writes zeros only in front of what wipe() left
  CHECK(text.data() == data);
  CHECK(std::ranges::all_of(text, [](char c) { return c == 0; }));
}

TEST_CASE("wiping overwrites every byte") {
  std::string text(100, 's');
  wipe(std::span(text.data(), text.size()));
  CHECK(text == std::string(100, '\0'));
}

TEST_CASE("wiping nothing is fine") {
  wipe(std::span<char>());
  std::string empty;
  wipe(empty);
  CHECK(empty.empty());
}

TEST_CASE("take leaves the source wiped and empty") {
  std::string source(50, 's');
  const char* data = source.data();
  const Secret secret = Secret::take(source);
  CHECK(secret.reveal() == std::string(50, 's'));
  CHECK(source.empty());
  CHECK(std::all_of(data, data + 50, [](char c) { return c == 0; }));
}

TEST_CASE("a secret that was moved from is empty") {
  Secret from(std::string_view("key"));
  const Secret to(std::move(from));
  CHECK(to.reveal() == "key");
  CHECK(from.empty());
  CHECK(from.reveal().empty());
}

TEST_CASE("assigning a secret replaces the old one") {
  Secret secret(std::string_view("old"));
  secret = Secret(std::string_view("newer"));
  CHECK(secret.reveal() == "newer");
  CHECK(secret.size() == 5);
}

TEST_CASE("a clone holds the same bytes elsewhere") {
  const Secret secret(std::string_view("k\0y", 3));
  const Secret clone = secret.clone();
  CHECK(clone.reveal() == secret.reveal());
  CHECK(clone.reveal().data() != secret.reveal().data());
}

TEST_CASE("constant-time comparison says what == says") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("token", "token"));
  CHECK_FALSE(equal_in_constant_time("token", "tokem"));
  CHECK_FALSE(equal_in_constant_time("Token", "token"));
  CHECK_FALSE(equal_in_constant_time("token", "token1"));
  CHECK_FALSE(equal_in_constant_time(std::string_view("a\0", 2), "a"));
  // Differences that cancel out in a sum or an exclusive or.
  CHECK_FALSE(equal_in_constant_time("ab", "ba"));
}

}  // namespace
}  // namespace shed
