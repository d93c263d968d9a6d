#include "shed/broker/asking_gate.h"

#include <algorithm>
#include <optional>

#include "shed/async/scope.h"

namespace shed::broker {
namespace {

// Things that were asked for, of which is known how often; the oldest is forgotten.
constexpr std::size_t kMaxCounts = 256;

Decision denied(const Person& person, std::string reason) {
  Decision decision;
  decision.method = person.method();
  decision.reason = std::move(reason);
  decision.reason_code = "APPROVAL_DENIED";
  return decision;
}

Decision granted(const Grant& grant) {
  Decision decision;
  decision.approved = true;
  decision.method = "cached";
  decision.decided_by = grant.decided_by;
  decision.scope = scope_name(grant.scope);
  decision.ttl = format_duration(grant.ttl);
  return decision;
}

async::Task<> keep_answer(async::Task<Person::Answer> asking, std::optional<Person::Answer>& answer,
                          async::Event& over) {
  answer.emplace(co_await std::move(asking));
  over.set();
}

}  // namespace

// What is asked now, shared by those who wait for it.
class AskingGate::Pending {
 public:
  Pending(async::Loop& loop, AskedFor what) : asked(std::move(what)), over(loop), settled(loop) {}
  AskedFor asked;
  // Answered, or taken back by us.
  async::Event over;
  std::string taken_back;  // the reason
  // Those who wait may look.
  async::Event settled;
  // For all who wait; empty when each has to see for itself.
  std::optional<Decision> denial;
};

// Tells those who wait also when the task that asks is dropped.
class AskingGate::Asker {
 public:
  Asker(AskingGate& gate, AskedFor asked)
      : pending(std::make_shared<Pending>(gate.loop_, std::move(asked))), gate_(gate) {
    gate_.pending_.push_back(pending);
  }
  Asker(const Asker&) = delete;
  ~Asker() {
    std::erase(gate_.pending_, pending);
    pending->settled.set();
  }
  const std::shared_ptr<Pending> pending;

 private:
  AskingGate& gate_;
};

// Counts one that waits.
class AskingGate::Waiting {
 public:
  Waiting(AskingGate& gate, const AskedFor& asked) : gate_(gate), asked_(&asked) {
    gate_.waiting_.push_back(asked_);
  }
  Waiting(const Waiting&) = delete;
  ~Waiting() { gate_.waiting_.erase(std::ranges::find(gate_.waiting_, asked_)); }

 private:
  AskingGate& gate_;
  const AskedFor* asked_;
};

AskingGate::AskingGate(async::Loop& loop, Persons persons, Grants& grants, Approvals approvals,
                       Millis approval_timeout)
    : PolicyGate(approvals.ssh, approvals.aws, approvals.docker),
      loop_(loop),
      persons_(persons),
      grants_(grants),
      timeout_(approval_timeout) {}

Person* AskingGate::person_of_policy(Namespace ns) const {
  switch (approval(ns).policy) {
    case Policy::kShedDesktop:
      return &persons_.approver;
    case Policy::kPrompt:
      return persons_.prompt;
    case Policy::kBiometrics:
      return persons_.biometrics;
    case Policy::kBiometricsOrPassword:
      return persons_.biometrics_or_password;
    case Policy::kDenyAll:
    case Policy::kApproveAll:
      break;
  }
  return nullptr;
}

Person& AskingGate::person(Namespace ns) const {
  Person* const found = person_of_policy(ns);
  return found == nullptr ? persons_.approver : *found;
}

bool AskingGate::may_wait(Namespace ns) const { return person_of_policy(ns) != nullptr; }

async::Task<Decision> AskingGate::decide(ApprovalQuestion question) {
  const bool is_asked = person_of_policy(question.ns) != nullptr;
  return is_asked ? ask(std::move(question)) : PolicyGate::decide(std::move(question));
}

async::Task<Decision> AskingGate::ask(ApprovalQuestion question) {
  const SteadyTime start = loop_.clock().now();
  const Person& asks = person(question.ns);
  const AskedFor asked = asked_for(question);
  const std::uint64_t times = count(asked);
  for (;;) {
    if (const Grant* grant = grants_.use(asked)) co_return granted(*grant);
    const Millis left = timeout_ - std::chrono::duration_cast<Millis>(loop_.clock().now() - start);
    if (left <= Millis(0)) co_return denied(asks, "nobody answered within " + format_duration(timeout_));
    const std::shared_ptr<Pending> same = pending_for(asked);
    if (!same) {
      auto asking = put_to_person(std::move(question), asked, times, left);
      Decision decision = co_await std::move(asking);
      co_return decision;
    }
    if (waiting_of(asked) >= kMaxWaitingOfGuest) {
      co_return denied(asks, fmt::format("{} requests of this guest wait already", kMaxWaitingOfGuest));
    }
    const Waiting waiting(*this, asked);
    auto settled = same->settled.wait_for(left);
    (void)co_await settled;
    if (same->denial) co_return *same->denial;
  }
}

async::Task<Decision> AskingGate::put_to_person(ApprovalQuestion question, AskedFor asked,
                                                std::uint64_t times, Millis limit) {
  const Asker asker(*this, asked);
  Pending& pending = *asker.pending;
  std::optional<Person::Answer> given;
  Person& asks = person(asked.ns);
  async::Scope asking(loop_);
  asking.spawn(keep_answer(asks.ask(std::move(question), times, limit), given, pending.over));
  auto over = pending.over.wait();
  co_await over;
  if (!pending.taken_back.empty()) {
    pending.denial = denied(asks, pending.taken_back);
    co_return *pending.denial;
  }
  if (given->approved) co_return accept(asked, std::move(*given));
  Decision decision = denied(asks, std::move(given->reason));
  decision.decided_by = std::move(given->decided_by);
  // Who came later has time left.
  if (!given->timed_out) pending.denial = decision;
  co_return decision;
}

Decision AskingGate::accept(const AskedFor& asked, Person::Answer answer) {
  const Approval& rule = approval(asked.ns);
  Decision decision;
  decision.approved = true;
  decision.method = person(asked.ns).method();
  decision.decided_by = std::move(answer.decided_by);
  if (answer.scope_as_configured) answer.scope = rule.scope;
  if (!answer.scope) return decision;
  const Millis ttl = std::min(answer.ttl.value_or(rule.session_ttl), rule.session_ttl);
  const bool is_remembered = rule.scope != Scope::kPerRequest && ttl > Millis(0);
  const Scope scope = is_remembered ? Grants::scope_for(asked, *answer.scope) : Scope::kPerRequest;
  decision.scope = scope_name(scope);
  if (scope == Scope::kPerRequest) return decision;
  decision.ttl = format_duration(ttl);
  grants_.add(asked, scope, ttl, decision.decided_by);
  return decision;
}

std::size_t AskingGate::end(std::string_view server, std::string_view shed, std::string_view reason) {
  for (const std::shared_ptr<Pending>& pending : pending_) {
    const AskedFor& asked = pending->asked;
    if (!shed.empty() && asked.shed != shed) continue;
    if (!server.empty() && asked.server != server) continue;
    pending->taken_back = reason;
    pending->over.set();
  }
  return grants_.end_guest(server, shed, reason);
}

std::shared_ptr<AskingGate::Pending> AskingGate::pending_for(const AskedFor& asked) const {
  const auto found =
      std::ranges::find_if(pending_, [&](const auto& pending) { return pending->asked == asked; });
  return found == pending_.end() ? nullptr : *found;
}

std::size_t AskingGate::waiting_of(const AskedFor& asked) const {
  return static_cast<std::size_t>(std::ranges::count_if(waiting_, [&](const AskedFor* other) {
    return other->shed == asked.shed && other->server == asked.server;
  }));
}

std::uint64_t AskingGate::count(const AskedFor& asked) {
  const auto found = std::ranges::find(counts_, asked, &Count::asked);
  if (found != counts_.end()) return ++found->times;
  if (counts_.size() >= kMaxCounts) counts_.erase(counts_.begin());
  counts_.push_back({asked, 1});
  return 1;
}

}  // namespace shed::broker
