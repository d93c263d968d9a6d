// Two streams that are joined, and tasks that note what came of them.
#pragma once

#include <algorithm>
#include <array>
#include <memory>

#include "shed/async/stream.h"
#include "unit/async/support.h"

namespace shed::async {
using namespace std::chrono_literals;

// More than any socket buffer takes.
inline constexpr std::size_t kHuge = 8 * 1024 * 1024;

inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i % 23);
  return bytes;
}

inline Task<> read_once(Stream& stream, std::span<char> into, std::optional<Result<std::size_t>>& result) {
  result.emplace(co_await stream.read(into));
}
inline Task<> read_exact(Stream& stream, std::span<char> into, std::optional<Status>& result) {
  result.emplace(co_await stream.read_exactly(into));
}
inline Task<> write_all(Stream& stream, std::string_view bytes, std::optional<Status>& result) {
  result.emplace(co_await stream.write(bytes));
}
inline Task<> write_parts(Stream& stream, std::string_view first, std::string_view second,
                          std::optional<Status>& result) {
  result.emplace(co_await stream.write(first, second));
}
inline Task<> collect(Stream& stream, std::string& received) {
  std::array<char, 10'007> part;
  for (;;) {
    const auto count = co_await stream.read(part);
    if (!count || *count == 0) co_return;
    received.append(part.data(), *count);
  }
}

struct StreamFixture : LoopFixture {
  StreamFixture() : StreamFixture(socket_pair()) {}
  explicit StreamFixture(std::pair<UniqueFd, UniqueFd> fds)
      : near(loop, std::move(fds.first)), far(loop, std::move(fds.second)) {}

  void start_reading(std::span<char> into) {
    got.reset();
    scope.spawn(read_once(near, into, got));
    loop.poll();
  }
  std::string text() const { return {buffer.data(), **got}; }
  void send(std::string_view bytes) { REQUIRE(loop.block_on(far.write(bytes))); }

  Stream near, far;
  std::array<char, 64> buffer{};
  std::optional<Result<std::size_t>> got;
  std::optional<Status> status;
  Scope scope{loop};
};

struct PipeFixture : StreamFixture {
  PipeFixture() : StreamFixture(make_pipe()) {}
  Stream& reader = near;
  Stream& writer = far;
};

}  // namespace shed::async
