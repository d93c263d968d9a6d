#include "shed/bus/listener_client.h"

#include <algorithm>
#include <utility>

#include "shed/base/json.h"
#include "shed/base/log.h"
#include "shed/base/uuid.h"

namespace shed::bus {
namespace {

constexpr Millis kFirstPause{1'000};
constexpr Millis kLongestPause{30'000};
constexpr Millis kStableAfter{60'000};
constexpr Millis kSubscribeLimit{10'000};
constexpr Millis kAnswerLimit{10'000};
constexpr std::size_t kMaxEvent = 1024 * 1024 + 64 * 1024;

constexpr std::string_view kBusy =
    R"({"error":"too many requests at once","code":"INTERNAL_ERROR","reason_code":"RATE_LIMITED"})";

std::string listener_path(std::string_view ns, std::string_view action) {
  return fmt::format("/api/plugins/listeners/{}/{}", ns, action);
}

}  // namespace

std::string_view to_text(ListenerState::Kind kind) {
  switch (kind) {
    case ListenerState::Kind::kReconnecting:
      return "reconnecting";
    case ListenerState::Kind::kConnected:
      return "connected";
    case ListenerState::Kind::kStopped:
      return "stopped";
    case ListenerState::Kind::kRejected:
      return "rejected";
  }
  return "";
}

// Of a request under way.
class ListenerClient::Place {
 public:
  Place(ListenerClient& owner, std::string guest)
      : owner_(&owner), count_(owner.of_guest_.try_emplace(std::move(guest)).first) {
    ++owner.under_way_;
    ++count_->second;
  }
  Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), count_(other.count_) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (owner_ == nullptr) return;
    --owner_->under_way_;
    if (--count_->second == 0) owner_->of_guest_.erase(count_);
  }

 private:
  ListenerClient* owner_;
  std::map<std::string, std::size_t>::iterator count_;
};

ListenerClient::ListenerClient(async::Loop& loop, ListenerOptions options, std::string ns,
                               RequestHandler& handler)
    : loop_(loop),
      options_(std::move(options)),
      ns_(std::move(ns)),
      handler_(handler),
      client_(loop, options_.server, {.max_connections = kMaxInFlight, .tls = options_.tls}),
      connected_(loop),
      limiter_(loop.clock()),
      requests_(loop) {
  if (!options_.token.empty()) authorization_ = fmt::format("authorization: Bearer {}\r\n", options_.token);
  state_.since = loop.clock().wall();
}

void ListenerClient::become(ListenerState::Kind kind, std::string error) {
  if (state_.kind != kind || state_.last_error != error) {
    if (kind == ListenerState::Kind::kConnected) {
      log::info("{}: connected to {}", ns_, options_.server.address.text());
    } else {
      log::warning("{}: {}; trying again", ns_, error);
    }
  }
  if (state_.kind != kind) state_.since = loop_.clock().wall();
  state_.kind = kind;
  kind == ListenerState::Kind::kConnected ? connected_.set() : connected_.reset();
  state_.last_error = std::move(error);
}

async::Task<> ListenerClient::run() {
  Millis pause = kFirstPause;
  for (;;) {
    const SteadyTime start = loop_.clock().now();
    const Status status = co_await listen();
    const bool rejected = !status && status.error().code() == Errc::kRefused;
    become(rejected ? ListenerState::Kind::kRejected : ListenerState::Kind::kReconnecting,
           status ? "the event stream ended" : status.error().text());
    // A local bus that was restarted is wanted back at once, and asking it costs nothing.
    if (options_.server.address.is_local() || loop_.clock().now() - start >= kStableAfter)
      pause = kFirstPause;
    auto wait = loop_.sleep(pause);
    co_await wait;
    pause = std::min(2 * pause, kLongestPause);
  }
}

async::Task<Status> ListenerClient::listen() {
  const std::string path = listener_path(ns_, "messages");
  const std::string headers = authorization_ + "accept: text/event-stream\r\n";
  net::HttpRequest request;
  request.path = path;
  request.headers = headers;
  auto stream = co_await async::with_timeout(loop_, kSubscribeLimit, client_.open_stream(request));
  if (!stream) co_return propagate(stream);
  if (stream->status() != 200) {
    Buffer body;
    (void)co_await async::with_timeout(loop_, kSubscribeLimit, stream->read(body));
    JsonDocument document;
    const auto root = document.parse(body.view());
    const std::string_view message = root ? (*root)["error"]["message"].string_or("") : "";
    co_return fail(Errc::kRefused, "{} answered {}{}{}", options_.server.address.text(), stream->status(),
                   message.empty() ? "" : ": ", message);
  }
  become(ListenerState::Kind::kConnected, "");
  co_return co_await read_events(*stream);
}

async::Task<Status> ListenerClient::read_events(net::HttpStream& stream) {
  net::EventStreamReader events(kMaxEvent);
  for (;;) {
    const auto event = events.next();
    if (!event) co_return propagate(event);
    if (*event) {
      take_event(**event);
      continue;
    }
    const auto count = co_await stream.read(events.input());
    if (!count) co_return propagate(count);
    if (*count == 0) co_return Status{};
  }
}

void ListenerClient::take_event(std::string_view text) {
  const auto drop = [this](std::string_view cause) {
    limiter_.warning(cause, fmt::format("{}: a message was dropped: {}", ns_, cause));
  };
  const auto envelope = decoder_.decode(text);
  if (!envelope) return drop(envelope.error().text());
  if (envelope->ns != ns_) return drop("it is of another namespace");
  if (envelope->type != EnvelopeType::kRequest) return;
  // Nothing can be decided for nobody, and no bus takes an answer to nobody.
  if (envelope->shed.name.empty()) return drop("it names no guest");
  IncomingRequest request{std::string(envelope->id),
                          ns_,
                          std::string(envelope->payload),
                          {std::string(envelope->shed.name), std::string(envelope->shed.backend),
                           std::string(envelope->shed.server)}};
  // Refusals are bounded as well: beyond twice the limit nobody is told any more, and the guest's
  // own time limit ends its wait.
  if (requests_.size() >= 2 * kMaxInFlight) {
    return limiter_.warning("too many", fmt::format("{}: a request of {} was dropped: {} are under way", ns_,
                                                    request.shed.name, requests_.size()));
  }
  // No name of a server has a NUL.
  std::string guest = request.shed.server + '\0' + request.shed.name;
  if (!has_place(guest)) return requests_.spawn(refuse(std::move(request)));
  requests_.spawn(answer(std::move(request), Place(*this, std::move(guest))));
}

bool ListenerClient::has_place(const std::string& guest) const {
  if (under_way_ < kCrowded) return true;
  const auto known = of_guest_.find(guest);
  return under_way_ < kMaxInFlight && (known == of_guest_.end() || known->second < kFew);
}

async::Task<> ListenerClient::answer(IncomingRequest request, [[maybe_unused]] Place place) {
  std::string payload = co_await handler_.handle(request);
  co_await send_answer(request, payload);
  wipe(payload);
}

async::Task<> ListenerClient::refuse(IncomingRequest request) {
  co_await send_answer(request, std::string(kBusy));
}

async::Task<> ListenerClient::send_answer(const IncomingRequest& request, const std::string& payload) {
  const Uuid id = make_uuid7(loop_.clock().wall());
  const std::string now = format_rfc3339_millis(loop_.clock().wall());
  Envelope envelope;
  envelope.id = id.view();
  envelope.ns = request.ns;
  envelope.type = EnvelopeType::kResponse;
  envelope.in_reply_to = request.id;
  envelope.timestamp = now;
  envelope.payload = payload;
  envelope.has_shed = true;
  envelope.shed = {request.shed.name, request.shed.backend, request.shed.server};
  Buffer body;
  append_envelope(body, envelope);
  const std::string path = listener_path(ns_, "respond");
  net::HttpRequest post;
  post.method = "POST";
  post.path = path;
  post.headers = authorization_;
  post.content_type = "application/json";
  post.body = body.view();
  const auto response = co_await async::with_timeout(loop_, kAnswerLimit, client_.send(post));
  body.wipe();
  if (!response) {
    log::warning("{}: the answer to {} was lost: {}", ns_, request.shed.name, response.error().text());
  } else if (response->status() != 204 && response->status() != 200) {
    log::warning("{}: the bus refused the answer to {}: {}", ns_, request.shed.name, response->status());
  }
}

}  // namespace shed::bus
