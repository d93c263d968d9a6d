// A connection as HTTP sees it: bytes in both directions, in the clear or through TLS.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "shed/async/stream.h"
#include "shed/base/result.h"

namespace shed::net {

// One task reads and one writes at a time; they do not disturb one another. What is dropped while it
// waits leaves nothing behind; a connection whose write was dropped has sent an unknown part of it and
// serves for nothing more.
class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  // The next bytes, at least one; 0 at the end. Errc::kClosed when the connection broke off: with TLS
  // also when it ended without the peer's goodbye (close_notify), because anybody on the way can end it
  // like that and pass half a body for a whole one.
  virtual async::Task<Result<std::size_t>> read(std::span<char> into) = 0;
  // All of both parts. They must stay until the task is done or dropped.
  virtual async::Task<Status> write(std::string_view first, std::string_view second) = 0;
  // Without waiting: bytes, 0 at the end, or nothing when nothing is there for the caller. What TLS
  // sends for itself (session tickets, new keys) is dealt with and counts as nothing.
  virtual Result<std::optional<std::size_t>> try_read(std::span<char> into) = 0;
};

// The stream itself: no coroutine frame and no copy on top of it.
std::unique_ptr<Channel> plain_channel(async::Stream stream);

}  // namespace shed::net
