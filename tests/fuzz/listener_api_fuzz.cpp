// The host bus from both sides at once: clients of the listener API that send any bytes, and guests that ask
// and come and go. An answer reaches only the guest that asked, once, and only while it waits; a listener
// sees each request with the guest that it really came from; when all clients are gone, nothing is left.
//
// The input is a list of steps, each a letter and its arguments (one byte each; a text has its length first):
//   o            another client                       c C          choose a client
//   b TEXT       it sends these bytes as they are     g N          it subscribes to namespace N
//   p G I N TEXT it answers request I of guest G      l            it asks who is connected and who listens
//   x            it hangs up                          t N          N seconds pass
//   a G I N TEXT guest G asks, under the id I         v G N TEXT   it sends an event
//   d G          it goes, and another of its name comes
//   w G          it goes away, or comes back as the same one
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_connection.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/listener_api.h"
#include "shed/net/event_stream.h"
#include "steps.h"
#include "support/fake_clock.h"

namespace shed::bus {
namespace {

constexpr std::size_t kMaxClients = 6;
constexpr std::size_t kMaxSteps = 200;
constexpr std::size_t kIds = 4;  // few, so that guests use the same ones at the same time
constexpr std::array<std::string_view, 2> kNames = {"one", "two"};
constexpr std::array<std::string_view, 2> kNamespaces = {"ssh-agent", "system-x"};

std::string make_id(std::size_t number) {
  return fmt::format("0192b3a4-0000-7000-8000-{:012}", number % kIds);
}

Result<Envelope> decode(EnvelopeDecoder& decoder, Buffer& padded, std::string_view text) {
  padded.append(text);
  padded.spare(kJsonPadding);
  return decoder.decode(padded.view());
}

// A guest that remembers what it waits for.
class Guest : public GuestPort {
 public:
  Guest(HostHalf& half, std::size_t number) : half_(half), name_(kNames[number]) { come_or_go(); }
  ~Guest() override {
    if (connected_) come_or_go();
    half_.forget(*this);
  }

  void come_or_go() {
    connected_ = !connected_;
    connected_ ? half_.attach(*this) : half_.detach(*this);
  }

  ShedView shed() const override { return {name_, "fuzz", "server"}; }

  void send(EnvelopeType type, std::size_t id, std::size_t ns, std::string_view payload) {
    const std::string id_text = make_id(id);
    Envelope envelope;
    envelope.id = id_text;
    envelope.ns = kNamespaces[ns % kNamespaces.size()];
    envelope.type = type;
    envelope.timestamp = "2026-01-01T00:00:00Z";
    envelope.payload = payload;
    envelope.has_shed = true;  // a lie
    envelope.shed = {kNames[name_ == kNames[0] ? 1 : 0], "forged", "forged"};
    if (!connected_) return;
    const Status accepted = half_.accept(*this, envelope);
    if (accepted && type == EnvelopeType::kRequest) waiting_.emplace(envelope.ns, id_text);
  }

  Status deliver(const Envelope& response, std::string_view text) override {
    require(connected_);
    settle(response.ns, response.in_reply_to);
    require(response.type == EnvelopeType::kResponse && response.shed.name == name_);
    Buffer padded;
    EnvelopeDecoder decoder;
    const auto again = decode(decoder, padded, text);
    require(again && again->in_reply_to == response.in_reply_to && again->payload == response.payload);
    return {};
  }
  void lose(std::string_view id, std::string_view ns, const Error&) override { settle(ns, id); }

 private:
  void settle(std::string_view ns, std::string_view id) {
    require(waiting_.erase({std::string(ns), std::string(id)}) == 1);
  }

  HostHalf& half_;
  std::string_view name_;
  bool connected_ = false;
  // One that was asked again before its answer is the same request.
  std::set<std::pair<std::string, std::string>> waiting_;
};

// What a listener reads: a head, and a chunked body that is an event stream.
class StreamCheck {
 public:
  void take(std::string_view bytes) {
    raw_ += bytes;
    if (!in_body_) {
      const std::size_t end = raw_.find("\r\n\r\n");
      if (end == raw_.npos) return;
      refused_ = !raw_.starts_with("HTTP/1.1 200 ");
      raw_.erase(0, end + 4);
      in_body_ = true;
    }
    if (!refused_) {
      while (take_chunk()) check_events();
    }
  }

 private:
  bool take_chunk() {
    const std::size_t line = raw_.find("\r\n");
    if (line == raw_.npos) return false;
    std::size_t size = 0;
    const auto [end, problem] = std::from_chars(raw_.data(), raw_.data() + line, size, 16);
    require(problem == std::errc() && end == raw_.data() + line);
    if (raw_.size() < line + 2 + size + 2) return false;
    require(raw_.compare(line + 2 + size, 2, "\r\n") == 0);
    reader_.input().append(std::string_view(raw_).substr(line + 2, size));
    raw_.erase(0, line + 2 + size + 2);
    return size > 0;
  }
  void check_events() {
    for (;;) {
      const auto event = reader_.next();
      require(event.has_value());
      if (!*event) return;
      const auto envelope = decoder_.decode(**event);
      // A guest's payload that is no JSON never comes so far: its half reads the whole envelope first.
      if (!envelope) continue;
      require(envelope->has_shed && envelope->shed.server == "server" && envelope->shed.backend == "fuzz");
      require(std::ranges::find(kNames, envelope->shed.name) != kNames.end());
    }
  }

  std::string raw_;
  bool in_body_ = false, refused_ = false;
  net::EventStreamReader reader_{std::size_t{4} * 1024 * 1024};
  EnvelopeDecoder decoder_;
};

// A client of the API: its end of the connection, and the server's.
class Client {
 public:
  Client(async::Loop& loop, net::HttpHandler& api) : Client(loop, api, make_ends()) {}
  ~Client() { tasks_.cancel(); }

  void send(std::string_view bytes) {
    sent_ = true;
    if (end_) (void)!::send(end_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    receive();
  }
  void subscribe(std::string_view ns) {
    if (!sent_) stream_ = std::make_unique<StreamCheck>();
    send(fmt::format("GET /api/plugins/listeners/{}/messages HTTP/1.1\r\nHost: localhost\r\n\r\n", ns));
  }
  void post(std::string_view ns, std::string_view body) {
    send(
        fmt::format("POST /api/plugins/listeners/{}/respond HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    ns, body.size(), body));
  }
  void receive() {
    loop_.poll();
    char part[16384];
    for (ssize_t count; end_ && (count = ::recv(end_.get(), part, sizeof part, MSG_DONTWAIT)) > 0;) {
      const std::string_view bytes(part, static_cast<std::size_t>(count));
      if (first_.size() < kStart.size()) first_ += bytes.substr(0, kStart.size() - first_.size());
      if (stream_) stream_->take(bytes);
      loop_.poll();
    }
    require(kStart.starts_with(first_));
  }
  void hang_up() {
    end_.reset();
    loop_.poll();
  }
  bool ended() const { return ended_; }

 private:
  static constexpr std::string_view kStart = "HTTP/1.1 ";

  Client(async::Loop& loop, net::HttpHandler& api, std::pair<int, int> ends)
      : loop_(loop),
        end_(ends.first),
        connection_(loop, async::Stream(loop, UniqueFd(ends.second)), api, options_, spare_),
        tasks_(loop) {
    tasks_.spawn(run());
    loop.poll();
  }
  static std::pair<int, int> make_ends() {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {ends[0], ends[1]};
  }
  async::Task<> run() {
    co_await connection_.run();
    ended_ = true;
  }

  async::Loop& loop_;
  net::HttpServerOptions options_;
  async::IntrusiveList<net::HttpConnection> spare_;
  UniqueFd end_;
  net::HttpConnection connection_;
  async::Scope tasks_;
  std::unique_ptr<StreamCheck> stream_;
  std::string first_;
  bool sent_ = false, ended_ = false;
};

class HostBus {
 public:
  HostBus() {
    for (std::size_t i = 0; i < kNames.size(); ++i) guests_[i] = std::make_unique<Guest>(half_, i);
    connect();
  }

  void step(Steps& steps) {
    switch (steps.number()) {
      case 'o':
        return connect();
      case 'c':
        chosen_ = steps.number() % clients_.size();
        return;
      case 'b':
        return client().send(steps.text());
      case 'g':
        return client().subscribe(kNamespaces[steps.number() % kNamespaces.size()]);
      case 'p':
        return respond(steps);
      case 'l':
        client().send("GET /api/plugins/sheds HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return client().send("GET /api/plugins/listeners HTTP/1.1\r\nHost: localhost\r\n\r\n");
      case 'x':
        return client().hang_up();
      case 't':
        return pass(std::chrono::seconds(steps.number()));
      case 'a': {
        Guest& guest = next_guest(steps);
        const std::size_t id = steps.number(), ns = steps.number();
        return guest.send(EnvelopeType::kRequest, id, ns, steps.text());
      }
      case 'v': {
        Guest& guest = next_guest(steps);
        const std::size_t ns = steps.number();
        return guest.send(EnvelopeType::kEvent, 0, ns, steps.text());
      }
      case 'd': {
        const std::size_t number = steps.number() % guests_.size();
        guests_[number].reset();
        guests_[number] = std::make_unique<Guest>(half_, number);
        return;
      }
      case 'w':
        return next_guest(steps).come_or_go();
      default:
        return;
    }
  }

  void finish() {
    for (const auto& each : clients_) each->receive();
    for (const auto& each : clients_) each->hang_up();
    for (int i = 0; i < 3; ++i) pass(std::chrono::minutes(3));
    require(std::ranges::all_of(clients_, [](const auto& each) { return each->ended(); }));
    require(half_.subscriptions().empty());
  }

 private:
  Client& client() { return *clients_[chosen_]; }
  Guest& next_guest(Steps& steps) { return *guests_[steps.number() % guests_.size()]; }
  void connect() {
    if (clients_.size() == kMaxClients) return;
    clients_.push_back(std::make_unique<Client>(loop_, api_));
    chosen_ = clients_.size() - 1;
  }
  void respond(Steps& steps) {
    const std::string_view name = kNames[steps.number() % kNames.size()];
    const std::string id = make_id(steps.number());
    const std::string_view ns = kNamespaces[steps.number() % kNamespaces.size()];
    client().post(ns,
                  fmt::format(R"({{"id":"r","namespace":"{}","type":"response","in_reply_to":"{}","shed":)"
                              R"({{"name":"{}","backend":"fuzz","server":"server"}},"payload":{}}})",
                              ns, id, name, steps.text()));
  }
  void pass(Millis time) {
    clock_.advance(time);
    loop_.poll();
  }

  FakeClock clock_;
  async::Loop loop_{clock_};
  HostHalf half_{loop_};
  ListenerApi api_{loop_, half_};
  std::array<std::unique_ptr<Guest>, kNames.size()> guests_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t chosen_ = 0;
};

}  // namespace
}  // namespace shed::bus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::bus;
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  HostBus bus;
  shed::Steps steps(data, size);
  for (std::size_t count = 0; !steps.done() && count < kMaxSteps; ++count) bus.step(steps);
  bus.finish();
  return 0;
}
