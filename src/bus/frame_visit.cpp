#include "frame_visit.h"

#include "shed/base/json.h"
#include "shed/base/uuid.h"

namespace shed::bus {
namespace {

// Tells when the first bytes have come.
class NotingChannel : public net::Channel {
 public:
  NotingChannel(std::unique_ptr<net::Channel> channel, async::Event& begun)
      : channel_(std::move(channel)), begun_(begun) {}

  async::Task<Result<std::size_t>> read(std::span<char> into) override {
    if (begun_.is_set()) return channel_->read(into);
    return read_first(into);
  }
  async::Task<Status> write(std::string_view first, std::string_view second) override {
    return channel_->write(first, second);
  }
  Result<std::optional<std::size_t>> try_read(std::span<char> into) override {
    return channel_->try_read(into);
  }

 private:
  async::Task<Result<std::size_t>> read_first(std::span<char> into) {
    auto count = co_await channel_->read(into);
    if (count && *count > 0) begun_.set();
    co_return count;
  }

  std::unique_ptr<net::Channel> channel_;
  async::Event& begun_;
};

bool is_greeting(const Envelope& envelope) {
  return envelope.ns == kHealthNamespace && envelope.type == EnvelopeType::kRequest;
}

}  // namespace

FrameUplink::Visit::Visit(FrameUplink& uplink, Kind kind)
    : uplink_(uplink), kind_(kind), over_(uplink.loop_), begun_(uplink.loop_), tasks_(uplink.loop_) {
  if (!is_device()) begun_.set();  // whoever connects is there to greet
}

FrameUplink::Visit::~Visit() {
  tasks_.cancel();  // before the link that they use
  uplink_.leave(*this);
}

async::Task<Status> FrameUplink::Visit::run(Opening opening) {
  tasks_.spawn(carry(std::move(opening)));
  tasks_.spawn(limit_greeting());
  auto over = over_.wait();
  co_await over;
  tasks_.cancel();
  co_return result_;
}

void FrameUplink::Visit::finish(Status status) {
  if (over_.is_set()) return;
  result_ = std::move(status);
  over_.set();
}

async::Task<> FrameUplink::Visit::carry(Opening opening) {
  auto channel = co_await std::move(opening);
  if (!channel) co_return finish(propagate(channel));
  auto noting = std::make_unique<NotingChannel>(std::move(*channel), begun_);
  link_ = std::make_unique<FrameLink>(uplink_.loop_, std::move(noting), uplink_.limiter_);
  // The host may still be connected to the process before this one.
  if (is_device()) (void)tell(uplink_.hello_);
  auto running = link_->run(*this);
  Status ended = co_await std::move(running);
  finish(std::move(ended));
}

async::Task<> FrameUplink::Visit::limit_greeting() {
  auto begun = begun_.wait();
  co_await begun;
  auto limit = uplink_.loop_.sleep(is_device() ? kDeviceGreetingLimit : kGreetingLimit);
  co_await limit;
  if (!greeted_) end(Error(Errc::kTimeout, "it does not greet"));
}

Status FrameUplink::Visit::take(std::string_view text) {
  if (over_.is_set()) return {};
  const auto envelope = uplink_.decoder_.decode(text);
  if (!envelope) {
    if (!greeted_ || is_device()) return propagate(envelope, "not an envelope");
    uplink_.drop_message("envelope", "what is no envelope was dropped: " + envelope.error().text());
    return {};
  }
  if (is_greeting(*envelope)) return greet(*envelope);
  if (!greeted_) return take_early(*envelope);
  take_message(*envelope, text);
  return {};
}

// A line may still hold what was sent to an earlier process; a connection begins with its greeting.
Status FrameUplink::Visit::take_early(const Envelope& message) {
  if (!is_device()) {
    return fail(Errc::kProtocol, "it begins with a {} instead of a greeting", to_text(message.type));
  }
  uplink_.drop_message("early", "a message before the greeting was dropped");
  return {};
}

Status FrameUplink::Visit::greet(const Envelope& request) {
  if (const Status allowed = check_token(request); !allowed) return allowed;
  if (const Status answered = answer_greeting(request); !answered) return answered;
  if (const Status beaten = tell(uplink_.heartbeat_); !beaten) return beaten;
  const bool is_first = !std::exchange(greeted_, true);
  if (is_first) tasks_.spawn(beat());
  // Also the second time: behind a line that stays, a new process does not know what was asked.
  uplink_.take_over(*this);
  return {};
}

Status FrameUplink::Visit::check_token(const Envelope& request) const {
  if (uplink_.token_.empty()) return {};
  JsonDocument document;
  const auto payload = document.parse(request.payload);
  const auto token = payload ? (*payload)["token"].string() : std::nullopt;
  const bool is_right = token && equal_in_constant_time(*token, uplink_.token_.reveal());
  document.wipe();
  if (is_right) return {};
  return fail(Errc::kRefused, "its greeting has {} token", token ? "another" : "no");
}

Status FrameUplink::Visit::answer_greeting(const Envelope& request) {
  const WallTime wall = uplink_.loop_.clock().wall();
  const TimestampText now(wall);
  const Uuid id = make_uuid7(wall);
  Envelope answer;
  answer.id = id.view();
  answer.ns = kHealthNamespace;
  answer.type = EnvelopeType::kResponse;
  answer.in_reply_to = request.id;
  answer.timestamp = now.view();
  return send(answer);
}

Status FrameUplink::Visit::tell(std::string_view payload) {
  const WallTime wall = uplink_.loop_.clock().wall();
  const TimestampText now(wall);
  const Uuid id = make_uuid7(wall);
  Envelope event;
  event.id = id.view();
  event.ns = kHealthNamespace;
  event.type = EnvelopeType::kEvent;
  event.timestamp = now.view();
  event.payload = payload;
  return send(event);
}

async::Task<> FrameUplink::Visit::beat() {
  for (;;) {
    auto interval = uplink_.loop_.sleep(kHeartbeatInterval);
    co_await interval;
    // One that finds no room is left out: a host that does not read is noticed by the link.
    (void)tell(uplink_.heartbeat_);
    uplink_.half_.send_waiting();
  }
}

void FrameUplink::Visit::take_message(const Envelope& message, std::string_view text) {
  if (message.type != EnvelopeType::kResponse) {
    uplink_.drop_message(
        "type", fmt::format("a {} from the host was dropped: only answers are taken", to_text(message.type)));
  } else if (is_reserved_namespace(message.ns)) {
    uplink_.drop_message("namespace", "an answer in a namespace of the bus was dropped");
  } else if (uplink_.half_.deliver(message, text)) {
    uplink_.half_.send_waiting();
  }
}

}  // namespace shed::bus
