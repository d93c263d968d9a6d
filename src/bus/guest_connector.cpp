#include "shed/bus/guest_connector.h"

#include <algorithm>

#include "shed/async/scope.h"

namespace shed::bus {
namespace {

// An RFC 3339 time; nothing else is remembered of a guest.
constexpr std::size_t kMaxStartedAt = 64;

std::string_view refusal_of(Errc code) {
  if (code == Errc::kLimit) return kRefusalLimit;
  if (code == Errc::kClosed) return kRefusalClosed;
  return kRefusalUnavailable;
}

}  // namespace

// A link while it is the connector's: whichever way the task ends, nothing points at it after it.
class GuestConnector::Connection {
 public:
  Connection(GuestConnector& connector, std::unique_ptr<net::Channel> channel)
      : connector_(connector),
        link_(connector.loop_, std::move(channel), connector.limiter_, connector.label_, kMaxMessage) {
    connector_.link_ = &link_;
  }
  Connection(const Connection&) = delete;
  ~Connection() { connector_.become_disconnected(); }
  FrameLink& link() { return link_; }

 private:
  GuestConnector& connector_;
  FrameLink link_;
};

GuestConnector::GuestConnector(async::Loop& loop, HostHalf& host, MessageReader& reader,
                               GuestIdentity identity, std::unique_ptr<GuestDialer> dialer)
    : loop_(loop),
      host_(host),
      reader_(reader),
      identity_(std::move(identity)),
      label_("guest " + identity_.name),
      dialer_(std::move(dialer)),
      limiter_(loop.clock()),
      greeting_(loop, *this) {}

GuestConnector::~GuestConnector() {
  become_disconnected();
  host_.forget(*this);
}

async::Task<> GuestConnector::run() {
  Millis pause{0};
  for (;;) {
    const Status ended = co_await stay_connected();
    const auto lasted = connected_at_ == SteadyTime{}
                            ? Millis(0)
                            : std::chrono::duration_cast<Millis>(loop_.clock().now() - connected_at_);
    tell_end(ended, lasted);
    pause = lasted >= kStableAfter ? Millis(0) : std::clamp(2 * pause, kFirstPause, kLongestPause);
    connected_at_ = {};
    auto sleep = loop_.sleep(pause);
    co_await sleep;
  }
}

// One connection, from dialling to its end.
async::Task<Status> GuestConnector::stay_connected() {
  auto channel = co_await dialer_->dial();
  if (!channel) co_return propagate(channel);
  Connection connection(*this, std::move(*channel));
  greeted_again_ = 0;
  greeting_id_ = make_uuid7(loop_.clock().wall());
  before_greeting_ = 0;
  greeting_.arm(kGreetingLimit);
  const Status greeted = greet();
  if (!greeted) co_return greeted;
  auto running = connection.link().run(*this);
  Status ended = co_await std::move(running);
  if (!ended) co_return ended;
  if (!greeted_) co_return fail(Errc::kClosed, "it hung up before it had answered the greeting");
  co_return fail(Errc::kClosed, "it hung up");
}

Status GuestConnector::greet() {
  auto token = dialer_->token();
  if (!token) return propagate(token);
  Buffer payload;
  BufferJsonWriter json(payload);
  if (token->empty()) {
    json.null();
  } else {
    json.begin_object().field("token", token->reveal()).end_object();
  }
  const TimestampText now(loop_.clock().wall());
  Envelope envelope;
  envelope.id = greeting_id_.view();
  envelope.ns = kHealthNamespace;
  envelope.timestamp = now.view();
  envelope.payload = payload.view();
  const Status sent = link_->send(envelope);
  payload.wipe();
  return sent;
}

void GuestConnector::GreetingAlarm::on_due() {
  if (connector_.link_ == nullptr) return;
  connector_.link_->end(Error(Errc::kTimeout, fmt::format("the greeting was not answered within {}",
                                                          format_duration(kGreetingLimit))));
}

void GuestConnector::become_connected() {
  greeting_.disarm();
  greeted_ = true;
  since_ = loop_.clock().wall();
  connected_at_ = loop_.clock().now();
  last_failure_.clear();
  link_->expect_within(kSilenceLimit);
  host_.attach(*this);
  const std::string text = fmt::format("{}: connected ({})", label_, identity_.backend);
  // Once for each link, however often processes behind it are greeted.
  const bool is_news = !flapping_ && greeted_again_ == 0;
  is_news ? log::info("{}", text) : limiter_.warning("connected", text);
}

void GuestConnector::become_disconnected() {
  greeting_.disarm();
  host_.detach(*this);
  link_ = nullptr;
  greeted_ = false;
}

// One line for each end, and for each new reason why the guest cannot be reached. A guest that comes and goes
// all the time has one a minute.
void GuestConnector::tell_end(const Status& ended, Millis lasted) {
  const std::string& reason = ended.error().text();
  if (connected_at_ == SteadyTime{}) {
    if (reason == last_failure_) return;
    last_failure_ = reason;
    // By kind: what a device or guest says in it may be another text each time.
    return limiter_.warning(fmt::format("not connected {}", static_cast<int>(ended.error().code())),
                            fmt::format("{}: not connected: {}; trying again", label_, reason));
  }
  flapping_ = lasted < kStableAfter;
  const std::string text = fmt::format("{}: gone: {}", label_, reason);
  if (flapping_) return limiter_.warning("gone", text + ", right after it was connected");
  log::warning("{}", text);
}

Status GuestConnector::take_too_long(std::size_t size) {
  drop("length", fmt::format("a message of {} bytes is over the limit of {}", size, kMaxMessage));
  return greeted_ ? Status() : pass_over("a message that is too long");
}

Status GuestConnector::take(std::string_view text) {
  const auto envelope = reader_.envelopes.decode(text);
  if (!envelope) {
    drop("envelope", "not a message: " + envelope.error().text());
    return greeted_ ? Status() : pass_over("what is not a message");
  }
  if (!greeted_) return take_before_greeting(*envelope);
  if (is_hello(*envelope)) return take_hello(*envelope);
  if (envelope->ns == kHealthNamespace) {
    take_heartbeat(*envelope);
  } else if (is_reserved_namespace(envelope->ns)) {
    drop("namespace", fmt::format("a message in the reserved namespace {}", envelope->ns));
  } else if (envelope->type == EnvelopeType::kResponse) {
    drop("response", "an answer, which no guest gives");
  } else {
    pass_on(*envelope);
  }
  return {};
}

Status GuestConnector::take_before_greeting(const Envelope& envelope) {
  if (envelope.ns == kHealthNamespace && envelope.type == EnvelopeType::kResponse &&
      envelope.in_reply_to == greeting_id_.view()) {
    become_connected();
    return {};
  }
  if (is_hello(envelope)) return take_hello(envelope);
  return pass_over("other messages");
}

// What an earlier session has left on a serial line.
Status GuestConnector::pass_over(std::string_view what) {
  if (++before_greeting_ <= kMaxBeforeGreeting) return {};
  return fail(Errc::kProtocol, "{} came instead of an answer to the greeting", what);
}

void GuestConnector::take_heartbeat(const Envelope& envelope) {
  if (envelope.type == EnvelopeType::kResponse) return;  // the greeting's answer, a second time
  const auto payload = reader_.payloads.parse_padded(envelope.payload);
  const std::string_view started_at = payload ? (*payload)["started_at"].string_or("") : "";
  if (envelope.type != EnvelopeType::kEvent || started_at.empty() || started_at.size() > kMaxStartedAt) {
    return drop("heartbeat", "not a heartbeat");
  }
  if (started_at == started_at_) return;
  // Another process: it knows nothing of what the one before it asked, and may use its ids again.
  if (!started_at_.empty()) host_.abandon(*this);
  started_at_ = started_at;
}

bool GuestConnector::is_hello(const Envelope& envelope) {
  if (envelope.ns != kHealthNamespace || envelope.type != EnvelopeType::kEvent) return false;
  const auto payload = reader_.payloads.parse_padded(envelope.payload);
  return payload && (*payload)["greeted"].boolean() == false;
}

// Behind the connection is a process that was not greeted (health.h): the greeting once more, with its id.
// One that wants it without end is dialled anew, with pauses.
Status GuestConnector::take_hello(const Envelope& envelope) {
  take_heartbeat(envelope);
  if (++greeted_again_ > kMaxBeforeGreeting) {
    return fail(Errc::kProtocol, "it wants to be greeted without end");
  }
  if (greeted_) {
    host_.detach(*this);
    greeted_ = false;
    before_greeting_ = 0;
    greeting_.arm(kGreetingLimit);
  }
  return greet();
}

void GuestConnector::pass_on(const Envelope& envelope) {
  const Status accepted = host_.accept(*this, envelope);
  if (accepted) return;
  const Error& error = accepted.error();
  if (error.code() == Errc::kInvalid) return drop(error.text(), error.text());
  if (envelope.type == EnvelopeType::kRequest) return lose(envelope.id, envelope.ns, error);
  ++refused_;
  // Nobody waits for an answer to an event.
  limiter_.warning("events", fmt::format("{}: an event was refused: {}", label_, error.text()));
}

void GuestConnector::drop(std::string_view cause, std::string_view text) {
  ++dropped_;
  limiter_.warning(cause, fmt::format("{}: dropped: {}", label_, text));
}

Status GuestConnector::deliver(const Envelope&, std::string_view text) {
  if (link_ == nullptr) return fail(Errc::kClosed, "the connection is over");
  const Status sent = link_->send_text(text);
  if (!sent && sent.error().code() == Errc::kLimit) {
    drop("answers", "an answer: " + sent.error().text());
  }
  return sent;
}

void GuestConnector::lose(std::string_view id, std::string_view ns, const Error& reason) {
  ++refused_;
  if (link_ == nullptr || !greeted_) return;
  std::string payload;
  JsonWriter(payload)
      .begin_object()
      .field("error", reason.text())
      .field("code", "INTERNAL_ERROR")
      .end_object();
  const Uuid own_id = make_uuid7(loop_.clock().wall());
  const TimestampText now(loop_.clock().wall());
  Envelope envelope;
  envelope.id = own_id.view();
  envelope.ns = ns;
  envelope.type = EnvelopeType::kResponse;
  envelope.in_reply_to = id;
  envelope.timestamp = now.view();
  envelope.payload = payload;
  envelope.refusal = refusal_of(reason.code());
  if (const Status sent = link_->send(envelope); !sent) drop("refusals", "a refusal: " + sent.error().text());
}

GuestRecord GuestConnector::record() const { return {since_, dropped_, refused_}; }

}  // namespace shed::bus
