#include "shed/broker/grants.h"

#include <algorithm>

#include "shed/base/log.h"
#include "shed/base/uuid.h"

namespace shed::broker {
namespace {

bool is_shown_whole(const AskedFor& asked) {
  const std::string* const texts[] = {&asked.op,     &asked.server,  &asked.shed,
                                      &asked.object, &asked.subject, &asked.proof};
  return std::ranges::all_of(texts,
                             [](const std::string* text) { return text->size() <= Grants::kShownWhole; });
}

// The subject begins with a word of ours: SignSubject::text().
bool can_be_recognised(const AskedFor& asked) {
  if (asked.ns != Namespace::kSsh) return !asked.object.empty();
  const std::string_view subject = asked.subject;
  // A claimed host may be any host: only a proven one is the same when it comes again.
  if (subject.starts_with("login ")) return asked.proof == "verified";
  return !subject.empty() && !subject.starts_with("opaque");
}

bool covers(const Grant& grant, const AskedFor& asked) {
  const AskedFor& granted = grant.asked;
  if (grant.scope == Scope::kPerSession) return granted == asked;
  return granted.ns == asked.ns && granted.op == asked.op && granted.server == asked.server &&
         granted.shed == asked.shed && granted.object == asked.object;
}

std::size_t say_what_ended(std::size_t count, std::string_view reason) {
  if (count > 0) log::info("{} {} ended: {}", count, count == 1 ? "grant has" : "grants have", reason);
  return count;
}

}  // namespace

AskedFor asked_for(const ApprovalQuestion& question) {
  AskedFor asked{question.ns, question.op, question.server, question.shed, {}, {}, {}};
  switch (question.ns) {
    case Namespace::kSsh:
      asked.object = question.key;
      asked.subject = question.subject;
      asked.proof = question.proof;
      break;
    case Namespace::kAws:
      asked.object = question.subject;
      break;
    case Namespace::kDocker:
      asked.object = question.detail;
      break;
  }
  return asked;
}

Scope Grants::scope_for(const AskedFor& asked, Scope wanted) {
  if (wanted == Scope::kPerRequest || asked.object.empty() || !is_shown_whole(asked))
    return Scope::kPerRequest;
  if (wanted == Scope::kPerSession && !can_be_recognised(asked)) return Scope::kPerRequest;
  return wanted;
}

void Grants::add(const AskedFor& asked, Scope scope, Millis ttl, std::string_view decided_by) {
  forget_what_is_over();
  // The same again is renewed.
  std::erase_if(grants_, [&](const Grant& grant) { return grant.scope == scope && covers(grant, asked); });
  if (grants_.size() >= kMost) grants_.erase(grants_.begin());
  Grant grant;
  grant.granted_at = clock_.wall();
  grant.id = make_uuid7(grant.granted_at).view();
  grant.asked = asked;
  grant.scope = scope;
  grant.ttl = ttl;
  grant.decided_by = decided_by;
  grant.ends_at = grant.granted_at + ttl;
  grant.end = clock_.now() + ttl;
  grants_.push_back(std::move(grant));
}

const Grant* Grants::use(const AskedFor& asked) {
  forget_what_is_over();
  const auto found = std::ranges::find_if(grants_, [&](const Grant& grant) { return covers(grant, asked); });
  if (found == grants_.end()) return nullptr;
  ++found->uses;
  return &*found;
}

const std::vector<Grant>& Grants::list() {
  forget_what_is_over();
  return grants_;
}

bool Grants::revoke(std::string_view id) {
  const std::size_t count = std::erase_if(grants_, [&](const Grant& grant) { return grant.id == id; });
  return say_what_ended(count, "revoked") > 0;
}

std::size_t Grants::end_guest(std::string_view server, std::string_view shed, std::string_view reason) {
  const auto is_meant = [&](const Grant& grant) {
    return (shed.empty() || grant.asked.shed == shed) && (server.empty() || grant.asked.server == server);
  };
  return say_what_ended(std::erase_if(grants_, is_meant), reason);
}

std::size_t Grants::end_all(std::string_view reason) {
  const std::size_t count = grants_.size();
  grants_.clear();
  return say_what_ended(count, reason);
}

std::size_t Grants::size() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(grants_, [this](const Grant& grant) { return !is_over(grant); }));
}

// By both clocks: the steady one stands still while the machine sleeps, the other one can be set back.
bool Grants::is_over(const Grant& grant) const {
  return grant.end <= clock_.now() || grant.ends_at <= clock_.wall();
}

void Grants::forget_what_is_over() {
  std::erase_if(grants_, [this](const Grant& grant) { return is_over(grant); });
}

}  // namespace shed::broker
