// The guest's credentials endpoint from both sides: any bytes of a client, cut into pieces, and any payload
// of the host. Without its token no client gets a secret, whatever it sends; whatever the host answers, the
// client gets HTTP.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_connection.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/broker/aws_endpoint.h"
#include "shed/net/listener.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

namespace shed::broker {
namespace {

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kSecret = "SECRETSECRET";
constexpr std::string_view kPayload =
    R"({"access_key_id":"K","secret_access_key":"SECRETSECRET","session_token":"T"})";

void check(bool holds) {
  if (!holds) std::abort();
}

// A bus whose host answers everything with this payload.
class Bus : public net::HttpHandler {
 public:
  explicit Bus(std::string_view payload)
      : body_(fmt::format(R"({{"id":"1","namespace":"aws-credentials","type":"response","payload":{}}})",
                          payload)) {}
  async::Task<> handle(net::HttpExchange& exchange) override {
    (void)co_await exchange.respond(200, "application/json", body_);
  }

 private:
  std::string body_;
};

std::string receive_all(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t count; (count = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) {
    text.append(part, static_cast<std::size_t>(count));
  }
  return text;
}

// What the client of a connection gets for these pieces.
std::string answer_to(const std::vector<std::string_view>& pieces, std::string_view payload) {
  const TemporaryFolder folder;
  FakeClock clock;
  async::Loop loop(clock);
  net::Address address;
  address.unix_path = folder / "s";
  auto listener = net::Listener::open(loop, address);
  check(listener.has_value());
  Bus bus(payload);
  net::HttpServer bus_server(loop, bus);
  bus::Publisher publisher(loop, {address, "/v1/publish", "localhost"});
  AwsRelay relay(loop, publisher);
  AwsEndpoint endpoint(loop, relay, Secret(kToken));
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const UniqueFd client(ends[0]);
  const net::HttpServerOptions options = AwsEndpoint::server_options();
  async::IntrusiveList<net::HttpConnection> spare;
  net::HttpConnection connection(loop, async::Stream(loop, UniqueFd(ends[1])), endpoint, options, spare);
  bool ended = false;
  async::Scope scope(loop);
  scope.spawn(bus_server.serve(listener->acceptor()));
  const auto run = [](net::HttpConnection& served, bool& over) -> async::Task<> {
    co_await served.run();
    over = true;
  };
  scope.spawn(run(connection, ended));
  loop.poll();
  std::string answer;
  for (const std::string_view piece : pieces) {
    (void)!::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    loop.poll();
    answer += receive_all(client.get());
  }
  // Whatever was sent, the connection ends: by the idle limit or the request's, and a second of linger.
  for (int i = 0; i < 4; ++i) {
    clock.advance(Millis(61'000));
    loop.poll();
    answer += receive_all(client.get());
  }
  check(ended);
  return answer;
}

void be_a_client(FuzzedDataProvider& input) {
  std::vector<std::size_t> places;
  for (int count = input.ConsumeIntegralInRange(0, 3); count > 0; --count) {
    places.push_back(input.ConsumeIntegral<std::uint16_t>());
  }
  const std::string text = input.ConsumeRemainingBytesAsString();
  for (std::size_t& place : places) place = text.empty() ? 0 : place % text.size();
  std::sort(places.begin(), places.end());
  places.push_back(text.size());
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (const std::size_t end : places) {
    pieces.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end;
  }
  const std::string answer = answer_to(pieces, kPayload);
  check(answer.empty() || answer.starts_with("HTTP/1.1 "));
  const bool has_secret = answer.find(kSecret) != answer.npos && text.find(kSecret) == text.npos;
  check(!has_secret || text.find(kToken) != text.npos);
}

void be_the_host(FuzzedDataProvider& input) {
  const std::string payload = input.ConsumeRemainingBytesAsString();
  const std::string answer = answer_to(
      {"GET /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: 0123456789abcdef\r\n\r\n"}, payload);
  const bool given = answer.starts_with("HTTP/1.1 200 ");
  check(given || answer.starts_with("HTTP/1.1 403 ") || answer.starts_with("HTTP/1.1 503 "));
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  JsonDocument document;
  const auto root = document.parse(body);
  check(root.has_value());
  for (const std::string_view name : {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}) {
    check((*root)[name].string_or("").empty() != given);
  }
  check((*root)["code"].string() == (*root)["Code"].string());
}

}  // namespace
}  // namespace shed::broker

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  // The numbers come from the end of the input, so that the text can be read in it.
  FuzzedDataProvider input(data, size);
  input.ConsumeBool() ? shed::broker::be_the_host(input) : shed::broker::be_a_client(input);
  return 0;
}
