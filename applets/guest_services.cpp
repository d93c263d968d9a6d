#include "guest_services.h"

#include <algorithm>
#include <charconv>

#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "shed/broker/aws_endpoint.h"
#include "shed/broker/ssh_relay.h"
#include "shed/net/http_server.h"
#include "shed/ssh/agent_server.h"

namespace shed::applets {

async::Task<> serve_ssh_agent(async::Loop& loop, net::Listener listener, net::Url bus) {
  bus::Publisher publisher(loop, std::move(bus));
  broker::SshRelay relay(loop, publisher, listener.address().unix_path + ".status");
  ssh::AgentServer server(loop, relay);
  async::Scope scope(loop);
  scope.spawn(relay.watch_host());
  co_await server.serve(listener.acceptor());
}

async::Task<> serve_aws_credentials(async::Loop& loop, net::Listener listener, net::Url bus, Secret token) {
  bus::Publisher publisher(loop, std::move(bus));
  broker::AwsRelay relay(loop, publisher);
  broker::AwsEndpoint endpoint(loop, relay, std::move(token));
  net::HttpServer server(loop, endpoint, broker::AwsEndpoint::server_options());
  async::Scope scope(loop);
  scope.spawn(relay.greet());
  co_await server.serve(listener.acceptor());
}

namespace {

Result<net::Address> loopback_port(const std::string& port) {
  net::Address address;
  address.host = "127.0.0.1";
  const char* const end = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data(), end, address.port);
  if (error == std::errc() && stop == end) return address;
  return fail(Errc::kInvalid, "--port: '{}' is not a port number, 0 to 65535", port);
}

}  // namespace

Result<net::Address> aws_listen_address(const AwsListenOptions& options) {
  if (options.listen.empty()) return loopback_port(options.port.empty() ? kDefaultAwsPort : options.port);
  if (!options.port.empty()) return fail(Errc::kInvalid, "--port and --listen: give one of the two");
  auto address = net::parse_address(options.listen);
  if (!address) return propagate(address, "--listen");
  if (address->is_local()) return address;
  return fail(Errc::kInvalid,
              "--listen: {}: other machines would get credentials there; use 127.0.0.1 or unix:PATH",
              options.listen);
}

namespace {

constexpr std::size_t kLongestToken = 256;

// Nobody's notes are overwritten because of a slip: only a token of an earlier run is.
Status check_token_place(const std::string& path) {
  const auto there = read_secret_file(path, kLongestToken);
  if (!there && there.error().code() == Errc::kNotFound) return {};
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (there && std::ranges::all_of(there->reveal(), is_digit)) return {};
  return fail(Errc::kExists, "--token-file: {}: something else is there; remove it or choose another name",
              path);
}

}  // namespace

Result<Secret> write_token_file(const std::string& path) {
  if (path.empty()) return Secret();
  if (const Status free = check_token_place(path); !free) return propagate(free);
  Secret token = broker::make_endpoint_token();
  const Status written = write_file_atomically(path, token.reveal(), 0600);
  if (!written) return propagate(written, "--token-file");
  return token;
}

}  // namespace shed::applets
