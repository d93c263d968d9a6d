#include "tls_channel.h"

#include <cerrno>

#include "shed/async/offload.h"
#include "shed/base/secret.h"
#include "tls_server_context.h"

namespace shed::net {
namespace {

// The most that one record holds: header and body of a small request go out as one.
constexpr std::size_t kRecord = 16 * 1024;
// After so many reads that found something at once everybody else gets a turn.
constexpr unsigned kReadsInARow = 16;

// True while this lives, however its task ends.
class AtWork {
 public:
  explicit AtWork(bool& flag) : flag_(flag) { flag_ = true; }
  ~AtWork() { flag_ = false; }
  AtWork(const AtWork&) = delete;

 private:
  bool& flag_;
};

}  // namespace

TlsChannel::TlsChannel(async::Loop& loop, async::Stream stream)
    : loop_(loop), stream_(std::move(stream)), readable_(loop), writable_(loop), watching_(loop) {}

TlsChannel::TlsChannel(async::Loop& loop, std::unique_ptr<TlsChannel> below)
    : loop_(loop), below_(std::move(below)), readable_(loop), writable_(loop), watching_(loop) {}

TlsChannel::~TlsChannel() {
  wipe(joined_);
  if (!ssl_ || !established_ || writing_ || broken_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Status TlsChannel::attach(SSL_CTX* context) {
  ssl_.reset(SSL_new(context));
  if (!ssl_) return fail(Errc::kInternal, "{}", take_openssl_error());
  BIO* transport = nullptr;
  if (below_) {
    transport = BIO_new(BIO_f_ssl());
    if (transport != nullptr) BIO_set_ssl(transport, below_->ssl_.get(), BIO_NOCLOSE);
  } else {
    transport = BIO_new_socket(stream_->fd(), BIO_NOCLOSE);
  }
  if (transport == nullptr) return fail(Errc::kInternal, "{}", take_openssl_error());
  SSL_set_bio(ssl_.get(), transport, transport);
  return {};
}

Status TlsChannel::prepare() {
  if (const Status attached = attach(verification_.state->native.get()); !attached) return attached;
  SSL_set_connect_state(ssl_.get());
  return expect_peer(ssl_.get(), verification_);
}

async::Task<Status> TlsChannel::handshake(std::shared_ptr<TlsContext> context, std::string host) {
  verification_ = {context->state(), std::move(host), ""};
  if (!verification_.state->ready()) {
    auto loading = async::offload(loop_, [state = verification_.state] { return state->load_roots(); });
    const Status loaded = co_await std::move(loading);
    if (!loaded) co_return loaded;
  }
  Status status = prepare();
  if (status) status = co_await shake_hands();
  if (status) status = check_protocol();
  established_ = status.has_value();
  co_return status;
}

async::Task<Status> TlsChannel::accept(std::shared_ptr<TlsServerContext> context) {
  Status status = attach(context->state().native.get());
  if (!status) co_return status;
  SSL_set_accept_state(ssl_.get());
  status = co_await shake_hands();
  established_ = status.has_value();
  co_return status;
}

async::Task<Status> TlsChannel::shake_hands() {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const auto step = next(SSL_do_handshake(ssl_.get()));
    if (!step) co_return propagate(step);
    if (*step == Next::kEnd) co_return fail(Errc::kClosed, "the peer ended the handshake");
    if (*step == Next::kDone) co_return Status{};
    co_await wait_for(*step);
  }
}

Status TlsChannel::check_protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  const std::string_view chosen(reinterpret_cast<const char*>(name), length);
  if (chosen.empty() || chosen == verification_.state->options.protocol) return {};
  return fail(Errc::kProtocol, "the peer chose a protocol that was not offered");
}

Result<TlsChannel::Next> TlsChannel::next(int code) {
  const int system_error = errno;
  if (code > 0) return Next::kDone;
  const int what = SSL_get_error(ssl_.get(), code);
  switch (what) {
    case SSL_ERROR_WANT_READ:
      return Next::kReadable;
    case SSL_ERROR_WANT_WRITE:
      return Next::kWritable;
    case SSL_ERROR_ZERO_RETURN:
      return Next::kEnd;
    default:
      broken_ = true;
      // What the peer sent before it closed can still be read when only a write failed.
      dead_ = what == SSL_ERROR_SSL;
      return std::unexpected(failure(what, system_error));
  }
}

Error TlsChannel::failure(int what, int system_error) {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (!verification_.problem.empty() && !established_) return {Errc::kRefused, verification_.problem};
  const bool cut_off =
      ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (cut_off || (what == SSL_ERROR_SYSCALL && system_error == 0)) {
    return {Errc::kClosed, established_ ? "the connection was cut off (TLS without close_notify)"
                                        : "the peer closed the connection in the TLS handshake"};
  }
  if (what == SSL_ERROR_SYSCALL) return shed::system_error(system_error);
  if (!established_) return handshake_failure(code);
  const char* reason = ERR_reason_error_string(code);
  return {Errc::kProtocol, fmt::format("TLS: {}", reason == nullptr ? "broken" : reason)};
}

Error TlsChannel::handshake_failure(unsigned long code) {
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (ERR_GET_REASON(code)) {
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_PACKET_LENGTH_TOO_LONG:
      case SSL_R_HTTP_REQUEST:
        return {Errc::kProtocol, "the peer does not speak TLS; is it plain http?"};
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return {Errc::kProtocol, "the peer speaks neither TLS 1.2 nor 1.3"};
      default:
        break;
    }
  }
  const char* reason = ERR_reason_error_string(code);
  return {Errc::kProtocol,
          fmt::format("the TLS handshake failed: {}", reason == nullptr ? "no reason given" : reason)};
}

async::Task<> TlsChannel::wait_for(Next next) {
  if (below_) {
    co_await below_->wait_for(next);
    co_return;
  }
  Side& side = next == Next::kReadable ? readable_ : writable_;
  if (!side.watched) {
    side.watched = true;
    watching_.spawn(watch(side));
  }
  auto changed = side.changed.wait();
  co_await changed;
}

async::Task<> TlsChannel::watch(Side& side) {
  if (&side == &readable_) {
    auto readable = stream_->readable();
    co_await readable;
  } else {
    auto writable = stream_->writable();
    co_await writable;
  }
  side.watched = false;
  side.changed.wake_all();
}

// Who waits for bytes while the reader runs, or for room while the writer runs, is the other one, with
// a need that is not its usual one. While a message of TLS itself is half done, it is so for both.
void TlsChannel::wake_other(bool reading, bool failed) {
  TlsChannel& waited_on = below_ ? *below_ : *this;
  if (failed) {
    waited_on.readable_.changed.wake_all();
    waited_on.writable_.changed.wake_all();
  } else if (SSL_in_init(ssl_.get()) == 0) {
    (reading ? waited_on.readable_ : waited_on.writable_).changed.wake_all();
  }
}

// A peer that asks for new keys is answered with ours. OpenSSL would put the answer into the middle of
// a record that is half sent, and give up the connection because of that.
bool TlsChannel::must_wait_for_writer() const {
  return half_sent_ && SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE;
}

Result<TlsChannel::Next> TlsChannel::read_some(std::span<char> into, std::size_t& count) {
  const bool waits = must_wait_for_writer();
  if (dead_ || (waits && !at_write_)) return fail(Errc::kClosed, "the connection is broken");
  if (waits) return Next::kWritable;
  ERR_clear_error();
  errno = 0;
  const auto step = next(SSL_read_ex(ssl_.get(), into.data(), into.size(), &count));
  wake_other(true, !step);
  return step;
}

Result<TlsChannel::Next> TlsChannel::write_some(std::string_view bytes, std::size_t& count) {
  if (dead_) return fail(Errc::kClosed, "the connection is broken");
  ERR_clear_error();
  errno = 0;
  const auto step = next(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count));
  half_sent_ = step && *step == Next::kWritable;
  wake_other(false, !step);
  return step;
}

async::Task<Result<std::size_t>> TlsChannel::read(std::span<char> into) {
  if (++reads_in_a_row_ > kReadsInARow) {
    reads_in_a_row_ = 0;
    auto turn = loop_.sleep(Millis(0));
    co_await turn;
  }
  for (;;) {
    std::size_t count = 0;
    const auto step = read_some(into, count);
    if (!step) co_return propagate(step);
    if (*step == Next::kDone) co_return count;
    if (*step == Next::kEnd) co_return std::size_t{0};
    reads_in_a_row_ = 0;
    co_await wait_for(*step);
  }
}

Result<std::optional<std::size_t>> TlsChannel::try_read(std::span<char> into) {
  for (unsigned tries = 0; tries < kReadsInARow; ++tries) {
    std::size_t count = 0;
    const auto step = read_some(into, count);
    if (!step) return propagate(step);
    if (*step == Next::kDone) return count;
    if (*step == Next::kEnd) return std::size_t{0};
    // Otherwise a message of TLS itself was read, and more may be there.
    if (*step == Next::kWritable || errno == EAGAIN || errno == EWOULDBLOCK) break;
  }
  return std::nullopt;
}

async::Task<Status> TlsChannel::write(std::string_view first, std::string_view second) {
  if (writing_ || broken_) co_return fail(Errc::kClosed, "the connection is broken");
  writing_ = true;  // and stays so when this is dropped after half of it
  const AtWork at_work(at_write_);
  Status status;
  if (first.size() + second.size() <= kRecord && !second.empty()) {
    joined_.reserve(first.size() + second.size());
    joined_.append(first).append(second);
    status = co_await write_all(joined_);
    wipe(joined_);
  } else {
    status = co_await write_all(first);
    if (status) status = co_await write_all(second);
  }
  if (status) writing_ = false;
  co_return status;
}

async::Task<Status> TlsChannel::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t count = 0;
    const auto step = write_some(bytes, count);
    if (!step) co_return propagate(step);
    if (*step == Next::kEnd) co_return fail(Errc::kClosed, "the peer closed the connection");
    if (*step == Next::kDone) {
      bytes.remove_prefix(count);
    } else {
      co_await wait_for(*step);
    }
  }
  co_return Status{};
}

async::Task<Result<std::unique_ptr<Channel>>> start_tls(async::Loop& loop,
                                                        std::shared_ptr<TlsContext> context,
                                                        async::Stream stream, std::string host) {
  auto channel = std::make_unique<TlsChannel>(loop, std::move(stream));
  const Status done = co_await channel->handshake(std::move(context), std::move(host));
  if (!done) co_return propagate(done);
  co_return std::move(channel);
}

}  // namespace shed::net
