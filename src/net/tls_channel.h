// TLS over a stream, or inside another TLS (the one with a proxy).
#pragma once

#include <optional>
#include <string>

#include "shed/net/channel.h"
#include "tls_verify.h"

namespace shed::net {

class TlsChannel : public Channel {
 public:
  TlsChannel(async::Loop& loop, async::Stream stream);
  TlsChannel(async::Loop& loop, std::unique_ptr<TlsChannel> below);
  // Says goodbye to the peer if that takes no wait.
  ~TlsChannel() override;

  // Before all else; see start_tls().
  async::Task<Status> handshake(std::shared_ptr<TlsContext> context, std::string host);

  async::Task<Result<std::size_t>> read(std::span<char> into) override;
  async::Task<Status> write(std::string_view first, std::string_view second) override;
  Result<std::optional<std::size_t>> try_read(std::span<char> into) override;

 private:
  enum class Next { kDone, kEnd, kReadable, kWritable };

  Status prepare();
  // What has to happen after OpenSSL returned `code`, which is over 0 for success.
  Result<Next> next(int code);
  Error failure(int what, int system_error);
  Error handshake_failure(unsigned long code);
  async::Task<> wait_for(Next next);
  Result<Next> read_some(std::span<char> into, std::size_t& count);
  async::Task<Status> write_all(std::string_view bytes);
  async::Stream& stream() { return below_ ? below_->stream() : *stream_; }

  async::Loop& loop_;
  std::optional<async::Stream> stream_;
  std::unique_ptr<TlsChannel> below_;
  Verification verification_;
  SslConnection ssl_;  // before the stream and what is below, which it writes to
  std::string joined_;
  bool established_ = false;
  bool unclean_ = false;  // half of something went out: nothing more may be written
  bool dead_ = false;     // OpenSSL gave this connection up
  unsigned reads_in_a_row_ = 0;
};

}  // namespace shed::net
