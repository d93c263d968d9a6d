#include "shed/base/buffer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "unit/base/allocations.h"

namespace shed {
namespace {

bool all_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == 0; });
}

TEST_CASE("a buffer keeps its bytes while it grows") {
  Buffer buffer;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    buffer.push_back(static_cast<char>(i));
    expected.push_back(static_cast<char>(i));
  }
  CHECK(buffer.view() == expected);
}

TEST_CASE("bytes written into spare room belong to the buffer after commit") {
  Buffer buffer;
  buffer.append("ab");
  const auto room = buffer.spare(3);
  REQUIRE(room.size() == 3);
  std::ranges::copy(std::string_view("cd"), room.begin());
  buffer.commit(2);
  CHECK(buffer.view() == "abcd");
}

TEST_CASE("the padding behind a full buffer can be read") {
  Buffer buffer;
  buffer.spare(1);
  buffer.append(std::string(buffer.capacity(), 'x'));
  REQUIRE(buffer.size() == buffer.capacity());
  std::fill_n(buffer.data() + buffer.size(), kJsonPadding, ' ');  // the sanitizer would object
  CHECK(buffer.view() == std::string(buffer.capacity(), 'x'));
}

TEST_CASE("consume drops the front and keeps the rest") {
  Buffer buffer;
  buffer.append("first,second");
  buffer.consume(6);
  CHECK(buffer.view() == "second");
}

TEST_CASE("consume of more than there is leaves nothing") {
  Buffer buffer;
  buffer.append("abc");
  buffer.consume(4);
  CHECK(buffer.empty());
}

TEST_CASE("truncate never makes a buffer longer") {
  Buffer buffer;
  buffer.append("abc");
  buffer.truncate(5);
  CHECK(buffer.view() == "abc");
  buffer.truncate(1);
  CHECK(buffer.view() == "a");
}

TEST_CASE("a buffer that is used again does not allocate") {
  Buffer buffer;
  const std::string bytes(3000, 'x');
  buffer.append(bytes);
  const auto before = allocations();
  for (int i = 0; i < 10; ++i) {
    buffer.clear();
    buffer.append(bytes);
  }
  CHECK(allocations() == before);
}

TEST_CASE("wipe overwrites also what was consumed or truncated before") {
  Buffer buffer;
  buffer.append("secret, and more of it");
  buffer.consume(8);
  buffer.truncate(3);
  buffer.wipe();
  CHECK(buffer.empty());
  CHECK(all_zero({buffer.data(), 22}));
}

TEST_CASE("wipe overwrites what was read into spare room and never committed") {
  Buffer buffer;
  std::ranges::copy(std::string_view("secret"), buffer.spare(100).begin());
  buffer.wipe();
  CHECK(all_zero({buffer.data(), 100}));
}

TEST_CASE("a buffer that was moved from is empty and works") {
  Buffer from;
  from.append("abc");
  Buffer to(std::move(from));
  CHECK(to.view() == "abc");
  CHECK(from.empty());
  from.append("d");
  CHECK(from.view() == "d");
  to = std::move(from);
  CHECK(to.view() == "d");
}

TEST_CASE("release gives the memory back") {
  Buffer buffer;
  buffer.append("abc");
  buffer.release();
  CHECK(buffer.capacity() == 0);
  CHECK(buffer.empty());
  buffer.append("d");
  CHECK(buffer.view() == "d");
}

}  // namespace
}  // namespace shed
