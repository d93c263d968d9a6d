// Reads the frames of one agent connection, as a server: from a client that may send anything.
#pragma once

#include <optional>
#include <string_view>

#include "shed/async/loop.h"
#include "shed/async/stream.h"
#include "shed/base/buffer.h"
#include "shed/base/result.h"
#include "shed/ssh/agent_protocol.h"

namespace shed::ssh {

class AgentFrameReader {
 public:
  // The stream must outlive the reader.
  explicit AgentFrameReader(async::Stream& stream) : stream_(stream) {}

  // The next message, without its length; empty when the client is done. The view is valid until
  // consume(), which must come before the next call. There is no limit on the wait for the first byte;
  // `limit` runs from there to the last. Errc::kInvalid, kLimit: a frame of length 0, one that is
  // too long; kTimeout; kProtocol: the client is done in the middle of a frame; kClosed.
  async::Task<Result<std::string_view>> next(async::Loop& loop, Millis limit);

  // Wipes the message. The start of another, sent without waiting, is kept.
  void consume();

 private:
  // Nothing as long as the message is not complete.
  Result<std::optional<std::string_view>> message() const;
  std::size_t room() const;
  async::Task<Result<std::size_t>> fill();
  async::Task<Result<std::string_view>> complete();

  async::Stream& stream_;
  Buffer buffer_;
};

}  // namespace shed::ssh
