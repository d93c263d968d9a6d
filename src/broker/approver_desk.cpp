#include "shed/broker/approver_desk.h"

#include <algorithm>

#include "broker/agent_lines.h"

namespace shed::broker {
namespace {

std::optional<Namespace> namespace_called(std::string_view name) {
  const auto* const found =
      std::ranges::find_if(kNamespaces, [&](Namespace ns) { return namespace_name(ns) == name; });
  if (found == std::end(kNamespaces)) return std::nullopt;
  return *found;
}

}  // namespace

Scope ApproverQuestion::scope_for(Scope wanted) const {
  const auto known = namespace_called(ns);
  if (!known) return Scope::kPerRequest;
  ApprovalQuestion question;
  question.ns = *known;
  question.op = op;
  question.server = server;
  question.shed = shed;
  question.detail = detail;
  question.key = key;
  question.subject = subject;
  question.proof = proof;
  return Grants::scope_for(asked_for(question), wanted);
}

void ApproverDesk::connected(std::function<void(std::string_view line)> send) { send_ = std::move(send); }

void ApproverDesk::lost(std::string_view why) {
  send_ = nullptr;
  questions_.clear();
  grants_.clear();
  if (link_ == Link::kRefused) return;
  link_ = Link::kAway;
  why_away_ = why;
}

Status ApproverDesk::take(std::string_view line) {
  auto read = read_agent_line(line, clock_.now());
  if (!read) return propagate(read);
  if (read->kind == AgentLine::Kind::kHelloAck) return greet(*read);
  if (link_ != Link::kConnected) return fail(Errc::kProtocol, "the first line is no hello_ack");
  switch (read->kind) {
    case AgentLine::Kind::kQuestion:
      ask(std::move(read->question));
      break;
    case AgentLine::Kind::kEvent:
      note(std::move(read->event));
      break;
    case AgentLine::Kind::kGrants:
      grants_ = std::move(read->grants);
      ++grants_told_;
      break;
    case AgentLine::Kind::kPing:
      send(pong_line());
      break;
    case AgentLine::Kind::kHelloAck:
    case AgentLine::Kind::kOther:
      break;
  }
  return {};
}

Status ApproverDesk::greet(const AgentLine& line) {
  if (!line.accepted) {
    questions_.clear();
    link_ = Link::kRefused;
    why_away_ = line.reason == "superseded" ? "another approver has taken over"
                                            : "the host agent does not want this approver: " + line.reason;
    return fail(Errc::kRefused, "{}", why_away_);
  }
  link_ = Link::kConnected;
  why_away_.clear();
  agent_version_ = line.version;
  gate_namespaces_ = line.gate_namespaces;
  return {};
}

void ApproverDesk::ask(ApproverQuestion question) {
  const auto& open = questions();
  const bool is_known =
      std::ranges::any_of(open, [&](const ApproverQuestion& other) { return other.id == question.id; });
  // Two under one id: nobody could tell which of them an answer is for.
  if (is_known || open.size() >= kMaxQuestions || is_muted(question)) return deny(question);
  questions_.push_back(std::move(question));
  ++asked_;
}

// A question whose request is on record is over: the guest has gone, or the time. Nobody needs to answer it.
void ApproverDesk::note(ApproverEvent event) {
  if (!event.request_id.empty()) {
    std::erase_if(questions_, [&](const ApproverQuestion& question) {
      return question.request_id == event.request_id && question.ns == event.entry.ns &&
             question.shed == event.entry.shed && question.server == event.entry.server;
    });
  }
  // Told again after the connection was lost.
  if (std::ranges::any_of(events_, [&](const ApproverEvent& other) { return other.id == event.id; })) return;
  events_.push_back(std::move(event));
  if (events_.size() > kMaxEvents) events_.pop_front();
}

const std::deque<ApproverQuestion>& ApproverDesk::questions() {
  const SteadyTime now = clock_.now();
  std::erase_if(questions_, [now](const ApproverQuestion& question) { return question.end <= now; });
  return questions_;
}

bool ApproverDesk::answer(std::string_view id, PersonsChoice choice, Millis ttl) {
  const auto& open = questions();
  const auto found = std::ranges::find(open, id, &ApproverQuestion::id);
  if (found == open.end()) return false;
  send(answer_line(id, choice, ttl, person_));
  std::erase_if(questions_, [id](const ApproverQuestion& question) { return question.id == id; });
  return true;
}

void ApproverDesk::deny(const ApproverQuestion& question) {
  send(answer_line(question.id, PersonsChoice::kDeny, Millis(0), person_));
}

bool ApproverDesk::deny_and_mute(std::string_view id) {
  const auto& open = questions();
  const auto found = std::ranges::find(open, id, &ApproverQuestion::id);
  if (found == open.end()) return false;
  Mute mute{found->server, found->shed, clock_.now() + kMuteTime};
  std::erase_if(muted_,
                [&](const Mute& other) { return other.shed == mute.shed && other.server == mute.server; });
  if (muted_.size() >= kMaxMuted) muted_.erase(muted_.begin());
  muted_.push_back(std::move(mute));
  std::erase_if(questions_, [this](const ApproverQuestion& question) {
    if (!is_muted(question)) return false;
    deny(question);
    return true;
  });
  return true;
}

const std::vector<ApproverDesk::Mute>& ApproverDesk::muted() {
  const SteadyTime now = clock_.now();
  std::erase_if(muted_, [now](const Mute& mute) { return mute.end <= now; });
  return muted_;
}

bool ApproverDesk::is_muted(const ApproverQuestion& question) {
  return std::ranges::any_of(muted(), [&](const Mute& mute) {
    return mute.shed == question.shed && mute.server == question.server;
  });
}

void ApproverDesk::list_grants() { send(list_grants_line()); }
void ApproverDesk::revoke(std::string_view id) {
  if (!id.empty()) send(revoke_line(id));
}
void ApproverDesk::revoke_all() { send(revoke_line("")); }

const std::vector<ApproverGrant>& ApproverDesk::grants() {
  const SteadyTime now = clock_.now();
  std::erase_if(grants_, [now](const ApproverGrant& grant) { return grant.end <= now; });
  return grants_;
}

void ApproverDesk::send(std::string_view line) {
  if (send_) send_(line);
}

}  // namespace shed::broker
