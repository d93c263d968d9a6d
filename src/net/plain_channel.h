// The stream itself as a channel.
#pragma once

#include "shed/net/channel.h"

namespace shed::net {

// Hands the stream's own tasks on: a coroutine here would be a frame more per message.
class PlainChannel : public Channel {
 public:
  explicit PlainChannel(async::Stream stream) : stream_(std::move(stream)) {}

  async::Task<Result<std::size_t>> read(std::span<char> into) override { return stream_.read(into); }
  async::Task<Status> write(std::string_view first, std::string_view second) override {
    return stream_.write(first, second);
  }
  Result<std::optional<std::size_t>> try_read(std::span<char> into) override {
    return stream_.try_read(into);
  }

  // Ends this channel, not the connection.
  async::Stream release() { return std::move(stream_); }

 private:
  async::Stream stream_;
};

}  // namespace shed::net
