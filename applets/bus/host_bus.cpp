#include "host_bus.h"

#include "command_line.h"
#include "service.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/base/log.h"
#include "shed/bus/guest_list.h"
#include "shed/bus/listener_api.h"
#include "shed/bus/token_file.h"
#include "shed/net/listener.h"

namespace shed::applets {
namespace {

struct HostBusOptions {
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> guests;
  std::string guest_file;
  std::string server;
  std::string token_file;
  bool allow_loopback = false;
};

std::optional<int> parse(HostBusOptions& options, Arguments arguments) {
  CommandLine line(kBus, "shed-ext bus --host");
  line.option("--listen", options.listen, "Where host agents listen: ADDR:PORT or unix:PATH");
  line.repeated_option("--shed", options.guests,
                       "A guest, NAME=CONNECTOR: vsock:CID:PORT, firecracker:PATH:PORT, unix:PATH, "
                       "tcp+tls://HOST:PORT or serial:PATH");
  line.option("--sheds", options.guest_file, "A file of guests, one a line; read again when it changes");
  line.option("--server", options.server, "This server's name for host agents");
  line.option("--token-file", options.token_file,
              "What host agents must bring as bearer token; made when it is missing");
  line.flag("--allow-loopback", options.allow_loopback,
            "Every user of this machine may listen, without a token");
  line.footer(
      "Behind a connector may stand: ,pin=sha256:HEX or ,ca-file=FILE (tcp+tls) and ,token-file=FILE (what "
      "the guest wants to see).");
  return line.parse(std::move(arguments));
}

// What must be right on the command line, before anything is opened.
Status check(const HostBusOptions& options, const net::Address& listen) {
  if (!listen.is_local()) {
    return fail(Errc::kRefused, "--listen: {}: only loopback addresses and unix sockets can be listened on",
                listen.text());
  }
  if (!options.token_file.empty() && options.allow_loopback) {
    return fail(Errc::kInvalid, "--token-file and --allow-loopback exclude each other");
  }
  // Whoever listens answers in the place of the host agent.
  if (!listen.is_unix() && options.token_file.empty() && !options.allow_loopback) {
    return fail(
        Errc::kRefused,
        "{} is open to every user of this machine: add --token-file FILE, listen on unix:PATH, or say "
        "--allow-loopback",
        listen.text());
  }
  if (options.guests.empty() && options.guest_file.empty()) {
    return fail(Errc::kInvalid, "no guests: add --shed NAME=CONNECTOR or --sheds FILE");
  }
  return {};
}

class HostBus {
 public:
  HostBus(async::Loop& loop, net::Listener listener, HostBusOptions options, Secret token)
      : loop_(loop),
        listener_(std::move(listener)),
        half_(loop),
        api_(loop, half_, std::move(token)),
        // An answer is a guest's payload and the envelope around it.
        server_(loop, api_, {.max_body = bus::kMaxPublishBody + 64 * 1024}),
        guests_(loop, half_, options.server) {}

  bus::GuestList& guests() { return guests_; }
  const net::Address& address() const { return listener_.address(); }

  async::Task<> serve(bool follow) {
    async::Scope scope(loop_);
    scope.spawn(server_.serve(listener_.acceptor()));
    if (follow) scope.spawn(guests_.follow());
    co_await scope.join();
  }

 private:
  async::Loop& loop_;
  net::Listener listener_;
  bus::HostHalf half_;
  bus::ListenerApi api_;
  net::HttpServer server_;
  bus::GuestList guests_;
};

Result<Secret> open_token(const HostBusOptions& options) {
  if (options.token_file.empty()) return Secret();
  const std::string path = expand_home(options.token_file);
  auto opened = bus::open_token_file(path);
  if (!opened) return propagate(opened, "--token-file");
  if (opened->made) log::info("made the token file {}; host agents need it as token_file", path);
  return std::move(opened->token);
}

Status add_guests(bus::GuestList& list, std::vector<bus::GuestSpec> guests, const std::string& file) {
  for (bus::GuestSpec& spec : guests) {
    if (const Status added = list.add(std::move(spec)); !added) return propagate(added, "--shed");
  }
  if (file.empty()) return {};
  const Status loaded = list.load(expand_home(file));
  return loaded ? loaded : propagate(loaded, "--sheds");
}

}  // namespace

int run_host_bus(Arguments arguments) {
  HostBusOptions options;
  if (const auto status = parse(options, std::move(arguments))) return *status;
  const auto listen = net::parse_address(options.listen);
  if (!listen) return fail_usage(listen.error().in("--listen"));
  if (const Status checked = check(options, *listen); !checked) return fail_usage(checked.error());
  std::vector<bus::GuestSpec> guests;
  for (const std::string& text : options.guests) {
    auto spec = bus::parse_guest(text);
    if (!spec) return fail_usage(spec.error().in("--shed"));
    guests.push_back(std::move(*spec));
  }
  become_service();
  auto token = open_token(options);
  if (!token) return fail_with(token.error());
  async::Loop loop;
  auto listener = net::Listener::open(loop, *listen);
  if (!listener) return fail_with(listener.error());
  HostBus host_bus(loop, std::move(*listener), options, std::move(*token));
  if (const Status added = add_guests(host_bus.guests(), std::move(guests), options.guest_file); !added) {
    return added.error().code() == Errc::kExists ? fail_usage(added.error()) : fail_with(added.error());
  }
  log::info("host agents listen on {}; {} {}", host_bus.address().text(), host_bus.guests().size(),
            host_bus.guests().size() == 1 ? "guest" : "guests");
  return run_until_signal(loop, host_bus.serve(!options.guest_file.empty()));
}

}  // namespace shed::applets
