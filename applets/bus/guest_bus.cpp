#include "guest_bus.h"

#include "command_line.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/link_dial.h"
#include "shed/bus/token_file.h"
#include "shed/net/tls_server.h"

namespace shed::applets {
namespace {

using Kind = bus::LinkAddress::Kind;
using bus::FrameUplink;

constexpr const char* kDefaultListen = "127.0.0.1:498";
constexpr const char* kDefaultFrames = "vsock:1026";

Status check_together(const GuestBusOptions& options, Kind kind) {
  const std::string token = "--" + options.prefix + "token-file", tls = "--" + options.prefix + "tls-file";
  if (kind == Kind::kTls) {
    if (!options.token_file.empty() && !options.tls_file.empty()) return {};
    return fail(Errc::kInvalid,
                "--frames: tcp+tls wants {} FILE and {} FILE; both are made when they are missing", token,
                tls);
  }
  if (!options.tls_file.empty()) return fail(Errc::kInvalid, "{} is for --frames tcp+tls://ADDR:PORT", tls);
  if (options.allow_loopback && kind != Kind::kVsock) {
    return fail(Errc::kInvalid, "--allow-loopback is for --frames vsock:PORT");
  }
  return {};
}

constexpr std::uint32_t kLoopbackCid = 1;
constexpr std::uint32_t kHostCid = 2;

FrameUplink::Opening refuse(Error reason) { co_return std::unexpected(std::move(reason)); }

FrameUplink::Opening open_vsock(async::Stream stream, bool allow_loopback) {
  const auto cid = net::vsock_peer_cid(stream);
  if (!cid) return refuse(cid.error());
  if (may_play_host(*cid, allow_loopback)) return bus::open_plain(std::move(stream));
  return refuse(Error(Errc::kRefused, fmt::format("vsock: CID {} is not the host", *cid)));
}

// What stands between a connection and its frames, beside the token.
struct Guard {
  std::shared_ptr<net::TlsServerContext> tls;  // none where the transport says who is there
  bool tls_made = false;
  Secret token;
  bool token_made = false;
};

Result<Guard> open_guard(const GuestBusPlan& plan) {
  Guard guard;
  if (!plan.token_file.empty()) {
    auto opened = bus::open_token_file(plan.token_file);
    if (!opened) return propagate(opened);
    guard.token = std::move(opened->token);
    guard.token_made = opened->made;
  }
  if (plan.frames.kind != Kind::kTls) return guard;
  const net::TlsServerOptions files{.certificate_file = plan.tls_file, .key_file = {}};
  auto tls = net::TlsServerContext::create(files);
  if (!tls && tls.error().code() == Errc::kNotFound) {
    // Clients pin the certificate: the name in it counts for nothing.
    if (const Status made = net::make_self_signed(plan.tls_file, "shed-ext guest"); !made)
      return propagate(made);
    guard.tls_made = true;
    tls = net::TlsServerContext::create(files);
  }
  if (!tls) return propagate(tls);
  guard.tls = std::move(*tls);
  return guard;
}

// Where the host half finds this guest, for its file of guests.
std::string dial_text(const net::Address& address) {
  const bool is_any = address.host == "0.0.0.0" || address.host == "::";
  return is_any ? fmt::format("tcp+tls://ADDRESS:{}", address.port)
                : fmt::format("tcp+tls://{}", address.text());
}

void tell_guard(const GuestBusPlan& plan, const Guard& guard, const net::Address& frames) {
  std::string made;
  if (guard.token_made)
    made = fmt::format("{} is new, a token that the host half needs a copy of; ", plan.token_file);
  if (guard.tls_made) made += fmt::format("{} is new, a certificate and its key; ", plan.tls_file);
  if (guard.tls) {
    log::info("{}the line for the host's file of guests: NAME={},pin={},token-file=FILE", made,
              dial_text(frames), guard.tls->pin());
  } else if (guard.token_made) {
    log::info("{}the line for the host's file of guests ends with ,token-file=FILE", made);
  }
}

FrameUplink::Opener opener_for(async::Loop& loop, const GuestBusPlan& plan,
                               std::shared_ptr<net::TlsServerContext> tls) {
  if (tls) {
    return [&loop, tls = std::move(tls)](async::Stream stream) {
      return net::accept_tls(loop, tls, std::move(stream));
    };
  }
  if (plan.frames.kind != Kind::kVsock) return bus::open_plain;
  return [allow = plan.allow_loopback](async::Stream stream) { return open_vsock(std::move(stream), allow); };
}

Result<net::Listener> open_frames(async::Loop& loop, const bus::LinkAddress& at) {
  auto listener = net::Listener::open(loop, at.address);
  if (listener || at.kind != Kind::kVsock || listener.error().code() != Errc::kUnsupported) return listener;
  return fail(Errc::kUnsupported,
              "{}; load the module of this machine's vsock, or choose --frames unix:PATH or serial:PATH",
              listener.error().text());
}

}  // namespace

// Refused on purpose: a process of the guest that plays the host would read every request and answer it.
bool may_play_host(std::uint32_t cid, bool allow_loopback) {
  return cid == kHostCid || (allow_loopback && cid == kLoopbackCid);
}

Result<GuestBusPlan> plan_guest_bus(const GuestBusOptions& options) {
  GuestBusPlan plan{.publish = {},
                    .frames = {},
                    .token_file = options.token_file,
                    .tls_file = options.tls_file,
                    .allow_loopback = options.allow_loopback};
  const std::string listen = "--" + options.prefix + "listen";
  auto publish = net::parse_address(options.listen.empty() ? kDefaultListen : options.listen);
  if (!publish) return propagate(publish, listen);
  if (!publish->is_local()) {
    return fail(Errc::kRefused,
                "{}: {}: whoever publishes there uses the owner's keys; use 127.0.0.1 or unix:PATH", listen,
                options.listen);
  }
  plan.publish = std::move(*publish);
  auto frames = bus::parse_link_listen(options.frames.empty() ? kDefaultFrames : options.frames);
  if (!frames) return propagate(frames, "--frames");
  if (const Status together = check_together(options, frames->kind); !together) return propagate(together);
  plan.frames = std::move(*frames);
  return plan;
}

Result<std::unique_ptr<GuestBus>> GuestBus::open(async::Loop& loop, const GuestBusPlan& plan) {
  auto guard = open_guard(plan);
  if (!guard) return propagate(guard);
  std::optional<net::Listener> frames;
  if (plan.frames.kind != Kind::kSerial) {
    auto opened = open_frames(loop, plan.frames);
    if (!opened) return propagate(opened, "--frames");
    frames.emplace(std::move(*opened));
  }
  // Last: whoever can publish finds the rest open.
  auto publish = net::Listener::open(loop, plan.publish);
  if (!publish) return propagate(publish);
  bus::LinkAddress frames_at = plan.frames;
  if (frames) frames_at.address = frames->address();  // with the port that port 0 became
  log::info("guests publish on {}, the host half comes in on {}", publish->address().text(),
            frames_at.text());
  tell_guard(plan, *guard, frames_at.address);
  auto opener = opener_for(loop, plan, std::move(guard->tls));
  return std::make_unique<GuestBus>(loop, std::move(*publish), std::move(frames), std::move(frames_at.path),
                                    std::move(opener), std::move(guard->token));
}

GuestBus::GuestBus(async::Loop& loop, net::Listener publish, std::optional<net::Listener> frames,
                   std::string device, FrameUplink::Opener opener, Secret token)
    : loop_(loop),
      publish_(std::move(publish)),
      frames_(std::move(frames)),
      device_(std::move(device)),
      opener_(std::move(opener)),
      half_(loop),
      uplink_(loop, half_, std::move(token)),
      endpoint_(half_),
      server_(loop, endpoint_, {.max_body = bus::kMaxPublishBody}) {}

async::Task<> GuestBus::serve_frames() {
  if (frames_) return uplink_.serve(frames_->acceptor(), opener_);
  return uplink_.serve_device([this] { return bus::open_serial(loop_, device_); });
}

async::Task<> GuestBus::serve() {
  async::Scope scope(loop_);
  scope.spawn(server_.serve(publish_.acceptor()));
  scope.spawn(serve_frames());
  co_await scope.join();
}

async::Task<> GuestBus::wait_for_host(Millis limit) {
  auto there = half_.has_uplink().wait_for(limit);
  (void)co_await there;
}

std::string publish_url_text(const net::Address& address) {
  if (address.is_unix()) return fmt::format("http+unix://{}:/v1/publish", address.unix_path);
  return fmt::format("http://{}/v1/publish", address.text());
}

net::Url GuestBus::publish_url() const {
  net::Url url;
  url.address = publish_.address();
  url.path = "/v1/publish";
  url.host_header = url.address.is_unix() ? "localhost" : url.address.text();
  return url;
}

int run_guest_bus(Arguments arguments) {
  GuestBusOptions options;
  CommandLine line(kBus, "shed-ext bus --guest");
  line.option("--listen", options.listen,
              "Where guests publish: ADDR:PORT or unix:PATH; default 127.0.0.1:498");
  line.option(
      "--frames", options.frames,
      "Where the host half comes in: vsock:PORT, unix:PATH, tcp+tls://ADDR:PORT or serial:PATH; default "
      "vsock:1026");
  line.option("--token-file", options.token_file, "Demand the token in this file of the host half");
  line.option("--tls-file", options.tls_file, "Certificate and key for tcp+tls");
  line.flag("--allow-loopback", options.allow_loopback, "Let this machine's own processes in on the vsock");
  if (const auto status = line.parse(std::move(arguments))) return *status;
  const auto plan = plan_guest_bus(options);
  if (!plan) return fail_usage(plan.error());
  become_service();
  async::Loop loop;
  auto bus = GuestBus::open(loop, *plan);
  if (!bus) return fail_with(bus.error());
  return run_until_signal(loop, (*bus)->serve(), (*bus)->farewell());
}

}  // namespace shed::applets
