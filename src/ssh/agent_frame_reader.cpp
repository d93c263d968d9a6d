#include "agent_frame_reader.h"

#include <algorithm>

#include "shed/async/scope.h"

namespace shed::ssh {
namespace {

// Most requests fit: a login's is 300 to 500 bytes. What an idle connection keeps, a thousand times over.
constexpr std::size_t kReadSize = 512;

std::string_view header_of(const Buffer& buffer) { return buffer.view(0, kFrameHeaderSize); }

}  // namespace

async::Task<Result<std::string_view>> AgentFrameReader::next(async::Loop& loop, Millis limit) {
  if (buffer_.empty()) {
    const auto count = co_await fill();
    if (!count) co_return propagate(count);
    if (*count == 0) co_return std::string_view();
  }
  // Nearly always it is all there, and no time limit has to be set up.
  const auto whole = message();
  if (!whole) co_return propagate(whole);
  if (*whole) co_return **whole;
  const auto completed = co_await async::with_timeout(loop, limit, complete());
  if (!completed && completed.error().code() == Errc::kTimeout) {
    co_return fail(Errc::kTimeout, "a message was not complete within {}", format_duration(limit));
  }
  co_return completed;
}

void AgentFrameReader::consume() {
  const auto length = frame_length(header_of(buffer_));
  buffer_.consume(length ? kFrameHeaderSize + *length : buffer_.size());
  if (!buffer_.empty()) return;
  buffer_.wipe();
  if (buffer_.capacity() > kReadSize) buffer_.release();
}

Result<std::optional<std::string_view>> AgentFrameReader::message() const {
  if (buffer_.size() < kFrameHeaderSize) return std::nullopt;
  const auto length = frame_length(header_of(buffer_));
  if (!length) return propagate(length);
  if (buffer_.size() - kFrameHeaderSize < *length) return std::nullopt;
  return buffer_.view(kFrameHeaderSize, *length);
}

// The buffer at most doubles: memory follows the bytes that came, not the length that was claimed.
std::size_t AgentFrameReader::room() const {
  const std::size_t size = buffer_.size();
  if (size < kFrameHeaderSize) return kReadSize - size;
  const auto length = frame_length(header_of(buffer_));
  const std::size_t missing = length ? kFrameHeaderSize + *length - size : 0;
  return std::clamp(missing, std::size_t{1}, std::max(kReadSize, size));
}

async::Task<Result<std::size_t>> AgentFrameReader::fill() {
  const auto count = co_await stream_.read(buffer_.spare(room()));
  if (count) buffer_.commit(*count);
  co_return count;
}

async::Task<Result<std::string_view>> AgentFrameReader::complete() {
  for (;;) {
    const auto count = co_await fill();
    if (!count) co_return propagate(count);
    if (*count == 0) co_return fail(Errc::kProtocol, "a message ended in the middle");
    const auto whole = message();
    if (!whole) co_return propagate(whole);
    if (*whole) co_return **whole;
  }
}

}  // namespace shed::ssh
