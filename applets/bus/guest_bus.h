// The guest's half of the bus apart from the host's: `bus --guest`, and a member of `guest`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "applet.h"
#include "shed/bus/frame_uplink.h"
#include "shed/bus/link_address.h"
#include "shed/bus/publish_endpoint.h"
#include "shed/net/listener.h"

namespace shed::applets {

// As typed; what is empty has its default.
struct GuestBusOptions {
  std::string listen = {};      // "ADDR:PORT" (loopback) or "unix:PATH"; default 127.0.0.1:498
  std::string frames = {};      // where the host half comes in, as parse_link_listen(); default vsock:1026
  std::string token_file = {};  // the host's token; with tcp+tls demanded
  std::string tls_file = {};    // certificate and key; with tcp+tls demanded
  bool allow_loopback = false;
  // In front of all but `frames` and `allow_loopback` in the options' names: "bus-".
  std::string prefix = {};

  bool any() const {
    return !listen.empty() || !frames.empty() || !token_file.empty() || !tls_file.empty() || allow_loopback;
  }
};

struct GuestBusPlan {
  net::Address publish;
  bus::LinkAddress frames;
  std::string token_file, tls_file;
  bool allow_loopback = false;
};

// Errc::kInvalid, kRefused, kLimit name the option that is wrong, or those that do not go together.
Result<GuestBusPlan> plan_guest_bus(const GuestBusOptions& options);

// Whether the vsock connection of this context id is let in: the machine's host (2), and with the option
// this machine itself (1). The kernel says so, not the peer.
bool may_play_host(std::uint32_t cid, bool allow_loopback);

class GuestBus {
 public:
  // Everything that can fail is open and listens then; a token or certificate that was missing is made,
  // and said. Errc::kExists where somebody listens already. Errors name the address or file.
  static Result<std::unique_ptr<GuestBus>> open(async::Loop& loop, const GuestBusPlan& plan);
  // `frames` or the path of a serial device.
  GuestBus(async::Loop& loop, net::Listener publish, std::optional<net::Listener> frames, std::string device,
           bus::FrameUplink::Opener opener, Secret token);
  GuestBus(const GuestBus&) = delete;
  GuestBus& operator=(const GuestBus&) = delete;

  // Until the task is dropped, which has to be before the bus is.
  async::Task<> serve();
  // Tells those who wait that the bus stops, while serve() goes on; PublishEndpoint::farewell().
  async::Task<> farewell() { return endpoint_.farewell(); }

  // Returns when a host half is there, or after the limit.
  async::Task<> wait_for_host(Millis limit);

  const net::Address& publish_address() const { return publish_.address(); }
  // What to give --publish-url to reach it.
  net::Url publish_url() const;

 private:
  async::Task<> serve_frames();

  async::Loop& loop_;
  net::Listener publish_;
  std::optional<net::Listener> frames_;
  std::string device_;
  bus::FrameUplink::Opener opener_;
  bus::GuestHalf half_;
  bus::FrameUplink uplink_;
  bus::PublishEndpoint endpoint_;
  net::HttpServer server_;
};

// The publish URL of a bus that listens there.
std::string publish_url_text(const net::Address& address);

// `bus --guest`, with what stands on the command line beside it. Returns the exit status.
int run_guest_bus(Arguments arguments);

}  // namespace shed::applets
