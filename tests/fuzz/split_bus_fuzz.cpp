// Both halves of the bus with a link between them that the input rules: what goes over it is passed on, lost,
// doubled, cut, and mixed with anything. Whatever happens, a request of the guest gets its own answer or an
// error within its time, a second guest notices nothing, nobody is taken for somebody else, and when the link
// is good again the bus works again.
//
// The input is a list of steps, each a letter and its arguments (one byte each; a text has its length first):
//   a            the guest asks                         q            the second guest asks
//   n N          the listener answers request N         m N          and once more what it has answered
//   u, d         all that waits goes up, or down        k, l         the first frame that waits up, or down,
//   is lost v, e         it goes twice                          x N, y N     N bytes of it go, and the link
//   is cut i TEXT, j TEXT   these bytes go up, or down, before what waits f TEXT, g TEXT   the same in a
//   frame c            the link is cut                        r            dialling is refused, or no more t
//   N          N tenths of a second pass
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/frame_uplink.h"
#include "shed/bus/guest_connector.h"
#include "shed/net/event_stream.h"
#include "shed/net/listener.h"
#include "steps.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

namespace shed::bus {
namespace {

constexpr std::size_t kMaxSteps = 150;
constexpr std::string_view kNamespace = "ssh-agent";
constexpr Millis kRequestLimit{30'000};
// From the end of all trouble until the bus works again, at the latest: a link that a broken frame has made
// deaf is given up for its silence.
constexpr Millis kHealed{60'000};
constexpr Millis kStep{2'500};

std::string frame_of(std::string_view payload) {
  Buffer out;
  require(append_frame(out, kEnvelopeFrame, payload).has_value());
  return std::string(out.view());
}

// One way of the link: whole frames that wait, as they were sent.
class Way {
 public:
  std::deque<std::string> waiting;

  void take_from(int fd) {
    char part[65536];
    for (ssize_t count; (count = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) {
      rest_.append(part, static_cast<std::size_t>(count));
    }
    while (rest_.size() >= kFrameHeader) {
      std::size_t size = 0;
      for (std::size_t i = 1; i < kFrameHeader; ++i) size = size << 8 | static_cast<std::uint8_t>(rest_[i]);
      if (rest_.size() < kFrameHeader + size) break;
      waiting.push_back(rest_.substr(0, kFrameHeader + size));
      rest_.erase(0, kFrameHeader + size);
    }
  }

 private:
  std::string rest_;
};

// The host half dials it, it connects to the guest half. A new connection ends the one before.
class Link : public GuestDialer {
 public:
  Link(async::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}

  async::Task<Result<std::unique_ptr<net::Channel>>> dial() override {
    if (refused) co_return fail(Errc::kUnavailable, "refused");
    cut();
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    host_ = UniqueFd(ends[0]);
    guest_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    require(::connect(guest_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    co_return net::plain_channel(async::Stream(loop_, UniqueFd(ends[1])));
  }
  Result<Secret> token() override { return Secret(); }

  void collect() {
    if (guest_) up.take_from(guest_.get());
    if (host_) down.take_from(host_.get());
  }
  void send_up(std::string_view bytes) { send(guest_.get() < 0 ? -1 : host_.get(), bytes); }
  void send_down(std::string_view bytes) { send(host_.get() < 0 ? -1 : guest_.get(), bytes); }
  void cut() {
    host_.reset();
    guest_.reset();
    up = down = Way();
  }
  // What either side has ended, the other one is told.
  void pass_on_ends() {
    if (host_ && (has_ended(host_.get()) || has_ended(guest_.get()))) cut();
  }

  Way up, down;
  bool refused = false;

 private:
  static void send(int fd, std::string_view bytes) {
    if (fd >= 0) (void)!::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  static bool has_ended(int fd) {
    char byte;
    const ssize_t count = ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return count == 0 || (count < 0 && errno != EAGAIN);
  }

  async::Loop& loop_;
  std::string path_;
  UniqueFd host_, guest_;
};

// The second guest, whose link is good.
class QuietGuest : public GuestPort {
 public:
  QuietGuest(async::Loop& loop, HostHalf& half) : loop_(loop), half_(half) { half_.attach(*this); }
  ~QuietGuest() override {
    half_.detach(*this);
    half_.forget(*this);
  }
  ShedView shed() const override { return {"quiet", "fuzz", "server"}; }

  void ask() {
    const std::string id = fmt::format("0192b3a4-0000-7000-8000-{:012}", ++asked_);
    const std::string payload = fmt::format("\"quiet {}\"", asked_);
    Envelope envelope;
    envelope.id = id;
    envelope.ns = kNamespace;
    envelope.timestamp = "2026-01-01T00:00:00Z";
    envelope.payload = payload;
    require(half_.accept(*this, envelope).has_value());
    waiting.emplace(id, Asked{payload, loop_.clock().now()});
  }
  Status deliver(const Envelope& response, std::string_view) override {
    const auto asked = waiting.find(response.in_reply_to);
    require(asked != waiting.end() && asked->second.payload == response.payload);
    waiting.erase(asked);
    return {};
  }
  void lose(std::string_view, std::string_view, const Error&) override { require(false); }

  struct Asked {
    std::string payload;
    SteadyTime at;
  };
  std::map<std::string, Asked, std::less<>> waiting;

 private:
  async::Loop& loop_;
  HostHalf& half_;
  std::size_t asked_ = 0;
};

// The listener: what it was asked, and answers that say what was asked.
class Listener {
 public:
  struct Asked {
    std::string id, name, payload;
    SteadyTime at;
  };

  Listener(async::Loop& loop, HostHalf& half, const QuietGuest& quiet)
      : loop_(loop),
        half_(half),
        quiet_(quiet),
        subscription_(std::move(half.subscribe(kNamespace).value())) {}

  void collect() {
    Buffer batch;
    for (subscription_->take(batch); !batch.empty(); subscription_->take(batch)) {
      stream_.input().append(batch.view());
    }
    for (;;) {
      const auto event = stream_.next();
      require(event.has_value());
      if (!*event) return;
      const auto envelope = decoder_.decode(**event);
      require(envelope && envelope->has_shed && envelope->shed.server == "server");
      const bool is_quiet = envelope->shed.name == "quiet";
      if (is_quiet) require(quiet_.waiting.contains(envelope->id));
      require(is_quiet || (envelope->shed.name == "web" && envelope->shed.backend == "unix"));
      if (envelope->type != EnvelopeType::kRequest) continue;
      asked.push_back({std::string(envelope->id), std::string(envelope->shed.name),
                       std::string(envelope->payload), loop_.clock().now()});
    }
  }

  // True when it was taken.
  bool answer(const Asked& request) {
    Envelope envelope;
    envelope.id = "r";
    envelope.ns = kNamespace;
    envelope.type = EnvelopeType::kResponse;
    envelope.in_reply_to = request.id;
    envelope.payload = request.payload;
    envelope.has_shed = true;
    envelope.shed = {request.name, "", "server"};
    Buffer text;
    append_envelope(text, envelope);
    text.spare(kJsonPadding);
    return half_.respond(kNamespace, envelope, text.view()).has_value();
  }
  void answer_all() {
    for (const Asked& request : asked) answer(request);
    asked.clear();
  }

  // Whether it was asked, and not answered yet.
  bool forget(std::string_view id) {
    return std::erase_if(asked, [id](const Asked& request) { return request.id == id; }) > 0;
  }

  std::deque<Asked> asked;

 private:
  async::Loop& loop_;
  HostHalf& half_;
  const QuietGuest& quiet_;
  net::EventStreamReader stream_;
  EnvelopeDecoder decoder_;
  std::unique_ptr<HostHalf::Subscription> subscription_;
};

class SplitBus {
 public:
  SplitBus()
      : link_(new Link(loop_, folder_ / "s")),
        connector_(loop_, host_, reader_, {"web", "unix", "server"}, std::unique_ptr<GuestDialer>(link_)),
        tasks_(loop_) {
    net::Address address;
    address.unix_path = folder_ / "s";
    auto opened = net::Listener::open(loop_, address);
    require(opened.has_value());
    listening_.emplace(std::move(*opened));
    tasks_.spawn(uplink_.serve(listening_->acceptor(), open_plain));
    tasks_.spawn(connector_.run());
    settle();
  }
  ~SplitBus() { tasks_.cancel(); }

  void step(Steps& steps) {
    take_step(steps);
    settle();
  }

  void finish() {
    link_->refused = false;
    for (Millis passed{}; passed < kHealed; passed += kStep) {
      carry();
      listener_.answer_all();
      pass(kStep);
    }
    require(waiting_ == 0);
    // As if nothing had been.
    ask();
    for (int i = 0; i < 3; ++i) {
      carry();
      listener_.answer_all();
    }
    carry();
    require(waiting_ == 0 && last_answered_);
    // Only what the listener took too long for.
    for (const auto& [id, asked] : quiet_.waiting) require(clock_.now() - asked.at > kHealed + kRequestLimit);
  }

 private:
  void take_step(Steps& steps) {
    Link& link = *link_;
    switch (steps.number()) {
      case 'a':
        return ask();
      case 'q':
        return quiet_.ask();
      case 'n':
        return answer(steps.number());
      case 'm':
        if (!answered_.empty()) answer_again(answered_[steps.number() % answered_.size()]);
        return;
      case 'u':
        return forward_up(link.up.waiting.size());
      case 'd':
        return forward_down(link.down.waiting.size());
      case 'k':
        if (!link.up.waiting.empty()) link.up.waiting.pop_front();
        return;
      case 'l':
        if (!link.down.waiting.empty()) link.down.waiting.pop_front();
        return;
      case 'v':
        if (!link.up.waiting.empty()) link.send_up(link.up.waiting.front());
        return forward_up(1);
      case 'e':
        if (!link.down.waiting.empty()) link.send_down(link.down.waiting.front());
        return forward_down(1);
      case 'x':
        if (!link.up.waiting.empty()) link.send_up(link.up.waiting.front().substr(0, steps.number()));
        loop_.poll();
        return link.cut();
      case 'y':
        if (!link.down.waiting.empty()) link.send_down(link.down.waiting.front().substr(0, steps.number()));
        loop_.poll();
        return link.cut();
      case 'i':
        return link.send_up(steps.text());
      case 'j':
        return link.send_down(steps.text());
      case 'f':
        return link.send_up(frame_of(steps.text()));
      case 'g':
        return link.send_down(frame_of(steps.text()));
      case 'c':
        return link.cut();
      case 'r':
        link.refused = !link.refused;
        return;
      case 't':
        return pass(Millis(100) * steps.number());
      default:
        return;
    }
  }

  void forward_up(std::size_t count) {
    for (; count > 0 && !link_->up.waiting.empty(); --count) {
      const std::string frame = link_->up.waiting.front();
      link_->up.waiting.pop_front();
      link_->send_up(frame);
      loop_.poll();
    }
  }
  void forward_down(std::size_t count) {
    for (; count > 0 && !link_->down.waiting.empty(); --count) {
      const std::string frame = link_->down.waiting.front();
      link_->down.waiting.pop_front();
      link_->send_down(frame);
      loop_.poll();
    }
  }
  // Everything, both ways, until nothing moves.
  void carry() {
    for (int i = 0; i < 4; ++i) {
      settle();
      forward_up(link_->up.waiting.size());
      forward_down(link_->down.waiting.size());
    }
    settle();
  }
  void settle() {
    loop_.poll();
    link_->collect();
    link_->pass_on_ends();
    loop_.poll();
    listener_.collect();
  }
  void pass(Millis time) {
    clock_.advance(time);
    settle();
  }

  void answer(std::size_t number) {
    if (listener_.asked.empty()) return;
    const auto chosen =
        listener_.asked.begin() + static_cast<std::ptrdiff_t>(number % listener_.asked.size());
    const Listener::Asked request = *chosen;
    listener_.asked.erase(chosen);
    // A guest that is away, or that asked too long ago, has no answer coming.
    const bool taken = listener_.answer(request);
    if (request.name == "quiet") require(taken || clock_.now() - request.at > kRequestLimit);
    answered_.push_back(request);
  }

  // Taken only where a guest whose answer was lost on its way has asked again, under the same id.
  void answer_again(const Listener::Asked& request) {
    if (listener_.answer(request)) require(listener_.forget(request.id));
  }

  void ask() {
    ++waiting_;
    last_answered_ = false;
    tasks_.spawn(wait_for_answer(fmt::format("\"nonce {}\"", ++asked_)));
    loop_.poll();
  }
  async::Task<> wait_for_answer(std::string payload) {
    const SteadyTime asked_at = clock_.now();
    auto asking = guest_.request(kNamespace, payload, kRequestLimit);
    const auto reply = co_await std::move(asking);
    --waiting_;
    require(clock_.now() - asked_at <= kRequestLimit + Millis(25'500));  // one step is up to 25.5 s
    last_answered_ = reply.has_value();
    if (!reply) {
      require(!reply.error().text().empty());
      co_return;
    }
    Buffer padded;
    padded.append(reply->text());
    padded.spare(kJsonPadding);
    EnvelopeDecoder decoder;
    const auto envelope = decoder.decode(padded.view());
    require(envelope && envelope->payload == payload);
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  async::Loop loop_{clock_};
  GuestHalf guest_{loop_};
  FrameUplink uplink_{loop_, guest_, Secret()};
  std::optional<net::Listener> listening_;
  HostHalf host_{loop_};
  MessageReader reader_;
  Link* link_;  // the connector's
  GuestConnector connector_;
  QuietGuest quiet_{loop_, host_};
  Listener listener_{loop_, host_, quiet_};
  std::deque<Listener::Asked> answered_;
  std::size_t asked_ = 0, waiting_ = 0;
  bool last_answered_ = false;
  async::Scope tasks_;
};

}  // namespace
}  // namespace shed::bus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shed::bus;
  shed::log::set_sink([](shed::log::Level, std::string_view) {});
  SplitBus bus;
  shed::Steps steps(data, size);
  for (std::size_t count = 0; !steps.done() && count < kMaxSteps; ++count) bus.step(steps);
  bus.finish();
  return 0;
}
