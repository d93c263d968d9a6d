#include "dial.h"

#include "plain_channel.h"
#include "proxy_connect.h"
#include "shed/async/scope.h"
#include "tls_channel.h"

namespace shed::net {
namespace {

using OpenedChannel = Result<std::unique_ptr<Channel>>;

// A socket file or name that is missing is one more way in which nobody is there.
Error as_unavailable(const Error& error) {
  return error.code() == Errc::kNotFound ? Error(Errc::kUnavailable, error.text()) : error;
}

// The origin's pin says nothing about the proxy.
Result<std::shared_ptr<TlsContext>> proxy_context(const std::shared_ptr<TlsContext>& context) {
  if (context->options().pin.empty()) return context;
  return TlsContext::create({.ca_file = context->options().ca_file, .pin = ""});
}

// One way to an https origin. `step` says what is being waited for.
class SecureDial {
 public:
  SecureDial(async::Loop& loop, const Url& origin, const HttpClientOptions& options)
      : loop_(loop), origin_(origin), options_(options) {}

  async::Task<OpenedChannel> run(async::Stream stream) {
    if (!options_.proxy) {
      step_ = "TLS with " + origin_.address.text();
      co_return co_await start_tls(loop_, options_.tls, std::move(stream), origin_.address.host);
    }
    step_ = "proxy " + options_.proxy->address.text();
    if (options_.proxy->tls) co_return co_await through_secure_proxy(std::move(stream));
    PlainChannel plain(std::move(stream));
    const Status opened = co_await ask_proxy(plain, *options_.proxy, origin_.address);
    if (!opened) co_return propagate(opened);
    step_ = "TLS with " + origin_.address.text();
    co_return co_await start_tls(loop_, options_.tls, plain.release(), origin_.address.host);
  }

  const std::string& step() const { return step_; }

 private:
  async::Task<OpenedChannel> through_secure_proxy(async::Stream stream) {
    auto context = proxy_context(options_.tls);
    if (!context) co_return propagate(context);
    auto outer = std::make_unique<TlsChannel>(loop_, std::move(stream));
    Status status = co_await outer->handshake(std::move(*context), options_.proxy->address.host);
    if (status) status = co_await ask_proxy(*outer, *options_.proxy, origin_.address);
    if (!status) co_return propagate(status);
    step_ = "TLS with " + origin_.address.text();
    auto inner = std::make_unique<TlsChannel>(loop_, std::move(outer));
    status = co_await inner->handshake(options_.tls, origin_.address.host);
    if (!status) co_return propagate(status);
    co_return std::move(inner);
  }

  async::Loop& loop_;
  const Url& origin_;
  const HttpClientOptions& options_;
  std::string step_;
};

}  // namespace

async::Task<OpenedChannel> open_channel(async::Loop& loop, const Url& origin, HttpClientOptions& options) {
  const SteadyTime start = loop.clock().now();
  const bool proxied = origin.tls && options.proxy.has_value();
  const Address address = proxied ? options.proxy->address : origin.address;
  auto stream = co_await connect(loop, address, options.connect_limit);
  if (!stream) {
    const Error error = as_unavailable(stream.error());
    co_return std::unexpected(proxied ? error.in("proxy") : error);
  }
  if (!origin.tls) co_return plain_channel(std::move(*stream));
  if (!options.tls) {
    auto made = TlsContext::create({});
    if (!made) co_return propagate(made);
    options.tls = std::move(*made);
  }
  SecureDial dial(loop, origin, options);
  const auto passed = std::chrono::duration_cast<Millis>(loop.clock().now() - start);
  auto channel =
      co_await async::with_timeout(loop, options.connect_limit - passed, dial.run(std::move(*stream)));
  if (channel) co_return channel;
  if (channel.error().code() != Errc::kTimeout) co_return propagate(channel, dial.step());
  co_return fail(Errc::kTimeout, "{}: no answer within {}", dial.step(),
                 format_duration(options.connect_limit));
}

}  // namespace shed::net
