#include "shed/bus/link_dial.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::bus {
namespace {

using Kind = LinkAddress::Kind;
using OpenedChannel = Result<std::unique_ptr<net::Channel>>;

// "OK 4294967295\n" has 14; who sends more is no vsock device.
constexpr std::size_t kMaxLine = 32;

bool is_socket(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

// "OK <number>": the port that the device has given to this side.
bool is_consent(std::string_view line) {
  constexpr std::string_view kOk = "OK ";
  if (!line.starts_with(kOk) || line.size() == kOk.size()) return false;
  line.remove_prefix(kOk.size());
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class LinkDial {
 public:
  LinkDial(async::Loop& loop, LinkAddress address, std::shared_ptr<net::TlsContext> tls, Millis limit)
      : loop_(loop), address_(std::move(address)), tls_(std::move(tls)), limit_(limit) {}

  async::Task<OpenedChannel> run() {
    if (address_.kind == Kind::kSerial) {
      if (!is_socket(address_.path)) co_return open_serial(loop_, address_.path);
      address_.address.unix_path = address_.path;
    }
    auto stream = co_await net::connect(loop_, address_.address, limit_);
    if (!stream) co_return propagate(stream);
    if (address_.kind == Kind::kTls) co_return co_await secure(std::move(*stream));
    if (address_.kind == Kind::kVsockDevice) {
      step_ = "vsock device " + address_.address.unix_path;
      const Status asked = co_await ask_device(*stream);
      if (!asked) co_return propagate(asked, step_);
    }
    co_return net::plain_channel(std::move(*stream));
  }

  const std::string& step() const { return step_; }

 private:
  async::Task<OpenedChannel> secure(async::Stream stream) {
    step_ = "TLS with " + address_.address.text();
    auto channel = co_await net::start_tls(loop_, tls_, std::move(stream), address_.address.host);
    if (!channel) co_return propagate(channel, step_);
    co_return channel;
  }

  async::Task<Status> ask_device(async::Stream& stream) {
    const std::string request = fmt::format("CONNECT {}\n", address_.port);
    const Status sent = co_await stream.write(request);
    if (!sent) co_return hung_up("");
    std::array<char, kMaxLine> bytes;
    std::size_t length = 0;
    // Byte by byte: what follows the line belongs to the guest.
    while (length < bytes.size()) {
      const auto count = co_await stream.read(std::span(bytes).subspan(length, 1));
      const std::string_view line(bytes.data(), length);
      if (!count && count.error().code() != Errc::kClosed) co_return propagate(count);
      if (!count || *count == 0) co_return hung_up(line);
      if (bytes[length] != '\n') {
        ++length;
      } else if (is_consent(line)) {
        co_return Status{};
      } else {
        break;
      }
    }
    co_return fail(Errc::kProtocol, "it does not answer with OK and a port, but '{}'",
                   log::printable({bytes.data(), length}));
  }

  Status hung_up(std::string_view line) const {
    const std::string behind = line.empty() ? "" : fmt::format(" after '{}'", log::printable(line));
    return fail(Errc::kUnavailable, "it hung up{}; nobody listens on port {} in the guest", behind,
                address_.port);
  }

  async::Loop& loop_;
  LinkAddress address_;
  std::shared_ptr<net::TlsContext> tls_;
  Millis limit_;
  std::string step_;  // what is waited for behind the connection
};

}  // namespace

async::Task<OpenedChannel> dial_link(async::Loop& loop, LinkAddress address,
                                     std::shared_ptr<net::TlsContext> tls, Millis limit) {
  if (address.kind == Kind::kTls && !tls) {
    co_return fail(Errc::kInvalid, "{}: nothing says which certificate to accept", address.text());
  }
  const std::string name = address.text();
  LinkDial dial(loop, std::move(address), std::move(tls), limit);
  auto channel = co_await async::with_timeout(loop, limit, dial.run());
  if (channel || channel.error().code() != Errc::kTimeout) co_return channel;
  co_return fail(Errc::kTimeout, "{}: no answer within {}", dial.step().empty() ? name : dial.step(),
                 format_duration(limit));
}

}  // namespace shed::bus
