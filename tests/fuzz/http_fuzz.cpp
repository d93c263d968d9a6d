// HTTP from both sides and event streams, cut into pieces where the fuzzer says. Nothing may depend on
// where that is.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_parser.h"
#include "shed/async/scope.h"
#include "shed/net/event_stream.h"
#include "shed/net/http_client.h"
#include "shed/net/http_server.h"
#include "support/fake_clock.h"

namespace shed::net {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

using Pieces = std::vector<std::string_view>;

Pieces cut(std::string_view text, std::vector<std::size_t> places) {
  for (std::size_t& place : places) place = text.empty() ? 0 : place % text.size();
  std::sort(places.begin(), places.end());
  places.push_back(text.size());
  Pieces pieces;
  std::size_t begin = 0;
  for (const std::size_t end : places) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

// Everything that a parser tells about the messages in a text.
std::string told(llhttp_type_t type, const Pieces& pieces) {
  HttpParser parser(type, {512, 2048});
  std::string text;
  Buffer buffer;
  for (const std::string_view piece : pieces) {
    Buffer moved;  // the smallest memory, at another place
    moved.append(buffer.view());
    moved.append(piece);
    buffer = std::move(moved);
    for (;;) {
      const auto progress = parser.advance(buffer);
      if (!progress) return text + "error";
      if (*progress == HttpParser::Progress::kBodyTooLarge) return text + "too large";
      if (*progress == HttpParser::Progress::kMore) break;
      if (*progress == HttpParser::Progress::kHeader) continue;
      text += fmt::format("{} {} {} {} [{}]\n", parser.method(), parser.status(), parser.target(buffer),
                          parser.header(buffer, "a"), parser.body(buffer));
      parser.next_message(buffer);
      if (buffer.empty()) break;
    }
  }
  return text;
}

std::string events_of(const Pieces& pieces) {
  EventStreamReader reader(256);
  std::string text;
  for (const std::string_view piece : pieces) {
    reader.input().append(piece);
    for (;;) {
      const auto event = reader.next();
      if (!event) return text + "error";
      if (!*event) break;
      text.append(**event).append("\x01");
    }
  }
  return text;
}

// A listening socket whose file is gone as soon as the one connection is made: nothing is left behind.
class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), folder_("/tmp/shed-fuzz-XXXXXX") {
    check(::mkdtemp(folder_.data()) != nullptr);
    path = folder_ + "/s";
    name_.sun_family = AF_UNIX;
    path.copy(name_.sun_path, sizeof name_.sun_path - 1);
    check(::bind(fd_.get(), native(), sizeof name_) == 0 && ::listen(fd_.get(), 1) == 0);
  }
  ~Socket() { vanish(); }
  void vanish() {
    ::unlink(path.c_str());
    ::rmdir(folder_.c_str());
  }
  UniqueFd dial() {
    UniqueFd client(::socket(AF_UNIX, SOCK_STREAM, 0));
    check(::connect(client.get(), native(), sizeof name_) == 0);
    vanish();
    return client;
  }
  UniqueFd accept() {
    vanish();
    return UniqueFd(::accept(fd_.get(), nullptr, nullptr));
  }
  UniqueFd take() { return std::move(fd_); }

  std::string path;

 private:
  sockaddr* native() { return reinterpret_cast<sockaddr*>(&name_); }
  UniqueFd fd_;
  std::string folder_;
  sockaddr_un name_{};
};

void send_pieces(async::Loop& loop, int fd, const Pieces& pieces) {
  loop.poll();
  for (const std::string_view piece : pieces) {
    (void)!::send(fd, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    loop.poll();
  }
}

std::string receive_all(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t count; (count = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) {
    text.append(part, static_cast<std::size_t>(count));
  }
  return text;
}

class Echo : public HttpHandler {
 public:
  async::Task<> handle(HttpExchange& exchange) override {
    if (exchange.body_too_large()) co_return;
    if (exchange.path() == "/s") {
      (void)co_await exchange.start_stream("text/plain");
      (void)co_await exchange.write(exchange.body());
    } else if (exchange.path() != "/n") {
      (void)co_await exchange.respond(200, exchange.header("a"), exchange.body());
    }
  }
};

void serve(const Pieces& pieces) {
  Socket socket;
  FakeClock clock;
  async::Loop loop(clock);
  Echo handler;
  HttpServer server(loop, handler, {.max_header = 512, .max_body = 2048});
  const UniqueFd peer = socket.dial();
  async::Acceptor acceptor(loop, socket.take());
  async::Scope scope(loop);
  scope.spawn(server.serve(acceptor));
  send_pieces(loop, peer.get(), pieces);
  const std::string answer = receive_all(peer.get());
  check(answer.empty() || answer.starts_with("HTTP/1.1 "));
  // Whatever was sent, the connection ends: by the idle limit or the request's, and a second of linger.
  for (int i = 0; i < 3; ++i) {
    clock.advance(Millis(130'000));
    loop.poll();
  }
  (void)receive_all(peer.get());
  char byte = 0;
  check(::recv(peer.get(), &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

async::Task<> ask(HttpClient& client, bool stream, std::string_view method, bool& done) {
  const HttpRequest request{.method = method};
  Buffer out;
  if (stream) {
    auto opened = co_await client.open_stream(request);
    for (bool more = opened.has_value(); more && out.size() < 100'000;) {
      const auto count = co_await opened->read(out);
      more = count && *count > 0;
    }
  } else {
    auto response = co_await client.send(request);
    if (response) {
      out.append(response->body());
      out.append(response->header("a"));
      response->wipe_body();
      check(response->body().find_first_not_of('\0') == std::string_view::npos);
    }
  }
  done = true;
}

void request(const Pieces& pieces, bool stream, bool head) {
  Socket socket;
  FakeClock clock;
  async::Loop loop(clock);
  Address address;
  address.unix_path = socket.path;
  HttpClient client(loop, {address, "/", "localhost"}, {.max_header = 512, .max_body = 2048});
  bool done = false;
  async::Scope scope(loop);
  scope.spawn(ask(client, stream, head ? "HEAD" : "GET", done));
  loop.poll();
  UniqueFd peer = socket.accept();
  check(static_cast<bool>(peer));
  send_pieces(loop, peer.get(), pieces);
  (void)receive_all(peer.get());  // a close with bytes unread would be a reset
  peer.reset();
  loop.poll();
  check(done);
}

}  // namespace
}  // namespace shed::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::net;
  // The numbers come from the end of the input, so that the text can be read in it.
  FuzzedDataProvider input(data, size);
  const int what = input.ConsumeIntegralInRange(0, 6);
  std::vector<std::size_t> places;
  for (int count = input.ConsumeIntegralInRange(0, 3); count > 0; --count) {
    places.push_back(input.ConsumeIntegral<std::uint16_t>());
  }
  const std::string text = input.ConsumeRemainingBytesAsString();
  const Pieces pieces = cut(text, places);
  switch (what) {
    case 0:
      check(told(HTTP_REQUEST, pieces) == told(HTTP_REQUEST, {text}));
      break;
    case 1:
      check(told(HTTP_RESPONSE, pieces) == told(HTTP_RESPONSE, {text}));
      break;
    case 2:
      check(events_of(pieces) == events_of({text}));
      break;
    case 3:
      serve(pieces);
      break;
    default:
      request(pieces, what == 4, what == 5);
      break;
  }
  return 0;
}
