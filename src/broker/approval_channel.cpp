#include "shed/broker/approval_channel.h"

#include <algorithm>

#include "broker/approval_lines.h"
#include "broker/line_connection.h"
#include "shed/base/uuid.h"
#include "shed/broker/private_socket.h"
#include "shed/broker/status_socket.h"

namespace shed::broker {
namespace {

// For guests, whom the place of the socket does not concern: it names the owner's account.
constexpr std::string_view kNoApprover = "no approver is connected; run shed-ext approve";
constexpr std::string_view kPlainInShell =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:@%,";

// With those that are told that they are superseded, and have this long to read it.
constexpr std::size_t kMaxConnections = 16;
constexpr Millis kFarewell{1'000};
// An event that is longer is none that anybody reads.
constexpr std::size_t kMaxEvent = std::size_t{64} * 1024;

constexpr std::string_view kStopping = "the host agent is stopping";
constexpr std::string_view kLeft = "the approver left before it answered; run shed-ext approve";
constexpr std::string_view kSuperseded = "another approver took over before this was answered; try again";

}  // namespace

// One connection.
class ApprovalChannel::Session {
 public:
  Session(ApprovalChannel& owner, async::Stream stream)
      : channel(owner), lines(owner.loop_, std::move(stream)), over(owner.loop_), written(owner.loop_) {
    ++channel.silent_;
  }
  Session(const Session&) = delete;
  ~Session() {
    if (silent) stop_being_silent();
    channel.let_go(*this, kLeft);
    channel.room_.wake_all();
  }
  void stop_being_silent() {
    silent = false;
    --channel.silent_;
    channel.room_.wake_all();
  }

  ApprovalChannel& channel;
  LineConnection lines;
  std::string name, version;
  bool silent = true;
  bool superseded = false;
  int missed_pongs = 0;
  async::Event over;
  async::Event written;  // what there was to write, or all that could be
};

// A question, for as long as it waits. Lives in the task that asks.
class ApprovalChannel::OpenQuestion {
 public:
  OpenQuestion(ApprovalChannel& channel, const ApprovalQuestion& question)
      : asked(channel.current_),
        id(make_uuid7(channel.loop_.clock().wall())),
        server(question.server),
        shed(question.shed),
        done(channel.loop_),
        channel_(channel) {
    channel_.open_.push_back(this);
  }
  OpenQuestion(const OpenQuestion&) = delete;
  ~OpenQuestion() { std::erase(channel_.open_, this); }
  // Nobody else may answer any more.
  void finish(Answer result) {
    answer = std::move(result);
    std::erase(channel_.open_, this);
    done.set();
  }

  const Session* asked;
  Uuid id;
  std::string server, shed;
  async::Event done;
  Answer answer;

 private:
  ApprovalChannel& channel_;
};

ApprovalChannel::ApprovalChannel(async::Loop& loop, Grants& grants, ApprovalChannelOptions options)
    : loop_(loop),
      grants_(grants),
      options_(std::move(options)),
      limiter_(loop.clock()),
      room_(loop),
      connections_(loop) {}

ApprovalChannel::~ApprovalChannel() {
  if (current_ != nullptr) let_go(*current_, kStopping);
  connections_.cancel();
}

Status ApprovalChannel::listen(const std::string& path) {
  auto listener = open_private_socket(loop_, path);
  if (!listener) return propagate(listener);
  listener_.emplace(std::move(*listener));
  path_ = path;
  return {};
}

async::Task<> ApprovalChannel::run() {
  if (!listener_) co_return;
  for (;;) {
    while (silent_ >= kMaxSilent || connections_.size() >= kMaxConnections) {
      auto room = room_.wait();
      co_await room;
    }
    auto fd = co_await listener_->acceptor().accept();
    if (!fd) {
      log::error("approval socket: {}", fd.error().text());
      co_return;
    }
    async::Stream stream(loop_, std::move(*fd));
    if (is_welcome(stream)) connections_.spawn(serve(std::make_unique<Session>(*this, std::move(stream))));
  }
}

bool ApprovalChannel::is_welcome(const async::Stream& stream) {
  const auto peer = stream.peer_credentials();
  if (!peer) {
    warn("peer", fmt::format("nobody knows who it is ({})", peer.error().text()));
    return false;
  }
  if (peer->user == options_.user || peer->user == 0) return true;
  warn("user", fmt::format("process {} of user {} may not approve for user {}", peer->process, peer->user,
                           options_.user));
  return false;
}

async::Task<> ApprovalChannel::serve(std::unique_ptr<Session> connection) {
  Session& session = *connection;
  auto greeting = session.lines.next();
  auto in_time = async::with_timeout(loop_, kHelloLimit, std::move(greeting));
  const auto first = co_await std::move(in_time);
  auto read = first ? read_approver_line(*first) : propagate(first);
  if (!read || read->kind != ApproverLine::Kind::kHello) {
    warn("hello", read ? "the first line is no hello" : "no hello: " + read.error().text());
    co_return;
  }
  session.name = std::move(read->hello.name);
  session.version = std::move(read->hello.version);
  session.stop_being_silent();
  take_over(session, read->hello.replay_events);
  async::Scope parts(loop_);
  parts.spawn(this->read(session));
  parts.spawn(write(session));
  parts.spawn(ping(session));
  auto over = session.over.wait();
  co_await over;
  if (!session.superseded) co_return;
  // It is told why.
  auto told = session.written.wait_for(kFarewell);
  (void)co_await told;
}

void ApprovalChannel::take_over(Session& session, std::size_t replay_events) {
  const WallTime now = loop_.clock().wall();
  if (current_ != nullptr) {
    Session& older = *current_;
    older.superseded = true;
    (void)older.lines.send(superseded_line(now));
    let_go(older, kSuperseded);
  }
  current_ = &session;
  const std::string_view version = session.version;
  log::info("approver connected: {}{}{}", session.name.empty() ? "without a name" : session.name,
            version.empty() ? "" : " ", version);
  const ChannelFacts facts{options_.namespaces, options_.gate_namespaces, options_.approval_timeout};
  send(session, hello_ack_line(facts, now));
  const std::size_t count = std::min(replay_events, events_.size());
  for (std::size_t i = events_.size() - count; i < events_.size(); ++i) {
    if (session.lines.queued() < kRoomForEvents) send(session, events_[i]);
  }
}

async::Task<> ApprovalChannel::read(Session& session) {
  while (!session.over.is_set()) {
    auto reading = session.lines.next();
    const auto line = co_await std::move(reading);
    const Status taken = line ? take(session, *line) : propagate(line);
    if (taken) continue;
    if (taken.error().code() != Errc::kClosed && !session.superseded) {
      warn("line", fmt::format("the approver is dropped: {}", taken.error().text()));
    }
    let_go(session, kLeft);
  }
}

async::Task<> ApprovalChannel::write(Session& session) {
  co_await session.lines.write_out();
  session.written.set();
  let_go(session, kLeft);
}

async::Task<> ApprovalChannel::ping(Session& session) {
  for (;;) {
    auto pause = loop_.sleep(kPingInterval);
    co_await pause;
    if (session.missed_pongs == kMissedPongs) break;
    ++session.missed_pongs;
    send(session, ping_line(loop_.clock().wall()));
  }
  warn("pong", "the approver is dropped: it does not answer pings");
  let_go(session, kLeft);
}

Status ApprovalChannel::take(Session& session, std::string_view line) {
  auto read = read_approver_line(line);
  if (!read) return propagate(read);
  switch (read->kind) {
    case ApproverLine::Kind::kAnswer:
      answer(session, std::move(read->answer));
      return {};
    case ApproverLine::Kind::kPong:
      session.missed_pongs = 0;
      return {};
    case ApproverLine::Kind::kRevoke:
      if (&session != current_) return {};
      if (read->grant.empty()) {
        (void)grants_.end_all("revoked");
      } else {
        (void)grants_.revoke(read->grant);
      }
      [[fallthrough]];
    case ApproverLine::Kind::kListGrants:
      send(session, grants_line(grants_.list(), loop_.clock().wall()));
      return {};
    case ApproverLine::Kind::kHello:
    case ApproverLine::Kind::kOther:
      break;
  }
  return {};
}

void ApprovalChannel::answer(const Session& session, PersonsAnswer given) {
  const auto asked = std::ranges::find_if(open_, [&](const OpenQuestion* question) {
    return question->asked == &session && question->id.view() == given.request_id;
  });
  if (asked == open_.end()) {
    ++stray_answers_;
    warn("stray",
         fmt::format("an answer to a question that is not open is dropped, {} so far", stray_answers_));
    return;
  }
  Answer result;
  result.approved = given.approved;
  result.decided_by = std::move(given.decided_by);
  if (result.approved) {
    result.scope = given.scope;
    result.ttl = given.ttl;
  } else {
    result.reason = result.decided_by.empty() ? "the approver said no" : result.decided_by + " said no";
  }
  (*asked)->finish(std::move(result));
}

void ApprovalChannel::send(Session& session, std::string_view line) {
  if (session.over.is_set() || session.lines.send(line)) return;
  warn("slow", "the approver is dropped: it does not read");
  let_go(session, kLeft);
}

void ApprovalChannel::let_go(Session& session, std::string_view reason) {
  if (current_ == &session) {
    current_ = nullptr;
    if (reason == kLeft) log::info("the approver has left");
  }
  session.lines.finish();
  session.over.set();
  deny(&session, reason);
}

void ApprovalChannel::deny(const Session* session, std::string_view reason) {
  const std::vector<OpenQuestion*> open = open_;
  for (OpenQuestion* question : open) {
    if (question->asked != session) continue;
    Answer denied;
    denied.reason = reason;
    question->finish(std::move(denied));
  }
}

std::string ApprovalChannel::why_not_now(const ApprovalQuestion& question) const {
  if (current_ == nullptr) return std::string(kNoApprover);
  if (open_.size() >= kMaxOpen) return fmt::format("{} questions wait already; answer them first", kMaxOpen);
  const auto of_guest = std::ranges::count_if(open_, [&](const OpenQuestion* open) {
    return open->shed == question.shed && open->server == question.server;
  });
  if (static_cast<std::size_t>(of_guest) < kMaxOpenOfGuest) return {};
  return fmt::format("{} questions of this guest wait already; answer them first", kMaxOpenOfGuest);
}

async::Task<ApprovalChannel::Answer> ApprovalChannel::ask(ApprovalQuestion question, std::uint64_t count,
                                                          Millis limit) {
  Answer denied;
  denied.reason = why_not_now(question);
  if (!denied.reason.empty()) co_return denied;
  OpenQuestion open(*this, question);
  const WallTime now = loop_.clock().wall();
  send(*current_, question_line(open.id.view(), question, count, now, now + limit));
  auto done = open.done.wait_for(limit);
  const bool there = co_await done;
  if (there) co_return std::move(open.answer);
  denied.timed_out = true;
  denied.reason = fmt::format("nobody answered within {}", format_duration(limit));
  co_return denied;
}

void ApprovalChannel::publish(const AuditRecord& record) {
  if (!listener_) return;
  std::string line = event_line(record);
  if (line.size() > kMaxEvent) return;
  if (current_ != nullptr && current_->lines.queued() < kRoomForEvents) send(*current_, line);
  events_.push_back(std::move(line));
  if (events_.size() > kReplay) events_.pop_front();
}

std::string_view ApprovalChannel::approver_name() const {
  return current_ == nullptr ? std::string_view() : current_->name;
}

std::string_view ApprovalChannel::approver_version() const {
  return current_ == nullptr ? std::string_view() : current_->version;
}

void ApprovalChannel::warn(std::string_view cause, std::string_view text) {
  limiter_.warning(cause, fmt::format("approval channel: {}", text));
}

std::string approve_command(std::string_view socket) {
  std::string command = "shed-ext approve";
  if (socket.empty() || socket == default_approval_socket()) return command;
  const bool is_plain = socket.find_first_not_of(kPlainInShell) == socket.npos;
  command += " --socket ";
  if (is_plain) return command += socket;
  command += '\'';
  for (const char c : socket) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return command += '\'';
}

std::string default_approval_socket() { return host_agent_socket_directory() + "/host-agent.sock"; }

}  // namespace shed::broker
