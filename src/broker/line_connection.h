// Lines over a stream, both ways: what the approval channel is made of.
#pragma once

#include <string>
#include <string_view>

#include "shed/async/event.h"
#include "shed/async/stream.h"

namespace shed::broker {

class LineConnection {
 public:
  static constexpr std::size_t kMaxLine = std::size_t{1024} * 1024;  // protocol.md section 9
  // Bytes that wait for a peer who reads slowly.
  static constexpr std::size_t kMaxQueued = std::size_t{1024} * 1024;

  LineConnection(async::Loop& loop, async::Stream stream) : stream_(std::move(stream)), changed_(loop) {}

  // The next line, without its end. Errc::kClosed when the peer has ended, kLimit for a longer line than
  // kMaxLine. One task reads.
  async::Task<Result<std::string>> next();
  // Queues a line, whose end is in it. False, and nothing is queued, when it would be over kMaxQueued.
  bool send(std::string_view line);
  std::size_t queued() const { return queue_.size() + in_flight_; }
  // Nothing is queued any more: write_out() ends when all that is has been written.
  void finish();
  // Writes what is queued, until the peer does not read any more or finish() was called.
  async::Task<> write_out();

 private:
  async::Stream stream_;
  async::Event changed_;  // the queue, or finished_
  std::string input_;
  std::size_t start_ = 0;    // of the next line
  std::size_t scanned_ = 0;  // there is no line end before this
  std::string queue_;
  std::size_t in_flight_ = 0;
  bool finished_ = false;
};

}  // namespace shed::broker
