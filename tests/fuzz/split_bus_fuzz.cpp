// Both halves of the bus with a link between them that the input rules: what goes over it is passed on, lost,
// doubled, cut, and mixed with anything. Whatever happens, a request of the guest gets its own answer or an
// error within its time, a second guest notices nothing, nobody is taken for somebody else, and when the link
// is good again the bus works again.
//
// The input is a list of steps, each a letter and its arguments (one byte each; a text has its length first):
//
// - `a` the guest asks; `q` the second guest asks
// - `n N` the listener answers request N; `m N` and once more what it has answered
// - `u`, `d` all that waits goes up, or down; `k`, `l` the first frame that waits is lost; `v`, `e` it goes
//   twice; `x N`, `y N` N bytes of it go, and the link is cut
// - `i TEXT`, `j TEXT` these bytes go up, or down, before what waits; `f TEXT`, `g TEXT` the same in a frame
// - `c` the link is cut; `r` dialling is refused, or no more; `t N` N tenths of a second pass
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/frame_uplink.h"
#include "shed/net/listener.h"
#include "split_bus_link.h"
#include "split_bus_peers.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"

namespace shed::bus {
namespace {

constexpr std::size_t kMaxSteps = 150;
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
