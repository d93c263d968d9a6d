// TLS over a stream, or inside another TLS (the one with a proxy).
#pragma once

#include <optional>
#include <string>

#include "shed/async/scope.h"
#include "shed/net/channel.h"
#include "shed/net/tls_server.h"
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
  // The same as a server; see accept_tls().
  async::Task<Status> accept(std::shared_ptr<TlsServerContext> context);

  async::Task<Result<std::size_t>> read(std::span<char> into) override;
  async::Task<Status> write(std::string_view first, std::string_view second) override;
  Result<std::optional<std::size_t>> try_read(std::span<char> into) override;

 private:
  enum class Next { kDone, kEnd, kReadable, kWritable };

  // A direction of the descriptor. Its watcher takes one waiter, but both who reads and who writes
  // can want either: TLS has messages of its own (new keys, tickets), and who comes first deals with
  // them. So one task waits for the descriptor, and they wait for that.
  struct Side {
    explicit Side(async::Loop& loop) : changed(loop) {}
    async::Event changed;  // never set: rung when it may be worth another try
    bool watched = false;
  };

  Status attach(SSL_CTX* context);
  Status prepare();
  Status check_protocol() const;
  async::Task<Status> shake_hands();
  // What has to happen after OpenSSL returned `code`, which is over 0 for success.
  Result<Next> next(int code);
  Error failure(int what, int system_error);
  Error handshake_failure(unsigned long code);
  async::Task<> wait_for(Next next);
  async::Task<> watch(Side& side);
  // After a step of one task: it may be what the other one waits for.
  void wake_other(bool reading, bool failed);
  Result<Next> read_some(std::span<char> into, std::size_t& count);
  async::Task<Status> write_all(std::string_view bytes);
  bool must_wait_for_writer() const;
  Result<Next> write_some(std::string_view bytes, std::size_t& count);

  async::Loop& loop_;
  std::optional<async::Stream> stream_;
  std::unique_ptr<TlsChannel> below_;
  Verification verification_;
  SslConnection ssl_;  // before the stream and what is below, which it writes to
  std::string joined_;
  bool established_ = false;
  bool writing_ = false;    // part of something may have gone out; stays so when that is dropped
  bool at_write_ = false;   // a task is at it
  bool half_sent_ = false;  // OpenSSL holds a record that the kernel has not taken as a whole
  bool broken_ = false;     // a step failed: nothing more may be written
  bool dead_ = false;       // OpenSSL gave this connection up
  unsigned reads_in_a_row_ = 0;
  Side readable_, writable_;
  async::Scope watching_;  // last: its tasks go before all else
};

}  // namespace shed::net
