#include "broker/ssh_rules_review.h"

#include <algorithm>
#include <span>

#include "shed/base/glob.h"

namespace shed::broker {
namespace {

using Text = std::optional<std::string>;

bool is_anything(const Text& pattern) {
  return !pattern || pattern->find_first_not_of('*') == std::string::npos;
}

// Whether what the one matches is all that the other one matches, for certain.
bool covers(const Text& one, const Text& other) {
  if (!one || one == other) return true;
  // A '?' of the one is not a '*' of the other.
  return other && one->find('?') == std::string::npos && glob_matches(*other, *one);
}

// Of accounts, of which one with a ':' or '/' is allowed as it is written only, see ssh_rules.cpp.
bool covers_user(const Text& one, const Text& other) {
  const bool is_as_written = other && one && other->find_first_of(":/") != std::string::npos;
  return is_as_written ? *one == *other || is_anything(one) : covers(one, other);
}

bool is_for_logins(const SshRule& rule) { return rule.user || rule.destination; }

// Which answers to "is it that host" a rule acts on; a greater one includes those below it, but for the
// third, which does not include the second.
enum Reach { kProvenAndNotRevoked, kProven, kAlsoClaimed, kAlsoMaybe };

Reach reach_of(const SshRule& rule) {
  if (!rule.destination) return kAlsoMaybe;
  if (rule.action == RuleAction::kAllow)
    return rule.require_proof.value_or(true) ? kProvenAndNotRevoked : kAlsoClaimed;
  return rule.require_proof.value_or(false) ? kProven : kAlsoMaybe;
}

bool covers_host(const SshRule& one, const SshRule& other) {
  if (!one.destination) return true;
  // Names are looked up in other ways than patterns: only what is written alike is alike for certain.
  if (one.destination != other.destination) return false;
  const Reach reach = reach_of(one), needed = reach_of(other);
  return reach == kAlsoMaybe || reach == needed || needed == kProvenAndNotRevoked;
}

bool covers(const SshRule& one, const SshRule& other) {
  const bool user = covers_user(one.user, other.user) || (is_anything(one.user) && is_for_logins(other));
  return user && covers(one.shed, other.shed) && covers(one.server, other.server) &&
         (!one.key || one.key == other.key) && covers(one.sshsig_namespace, other.sshsig_namespace) &&
         covers_host(one, other);
}

// Data that we cannot read, see ssh_rules.h; and accounts that are spelled in another way.
bool acts_on_what_could_be(const SshRule& rule) {
  if (rule.action == RuleAction::kAllow) return !is_for_logins(rule) && !rule.sshsig_namespace;
  return !(rule.destination && rule.require_proof.value_or(false));
}

bool has_same_criteria(const SshRule& one, const SshRule& other) {
  return one.shed == other.shed && one.server == other.server && one.key == other.key &&
         one.destination == other.destination && one.user == other.user &&
         one.sshsig_namespace == other.sshsig_namespace;
}

// A login that is approved although nobody knows for which host it is.
bool lets_unproven_logins_in(const SshRule& rule) {
  return rule.action == RuleAction::kAllow && !rule.sshsig_namespace &&
         (!rule.destination || !rule.require_proof.value_or(true));
}

class Review {
 public:
  Review(Problems& problems, const Setting& list, const SshAccess& access, Policy policy)
      : problems_(problems), list_(list), access_(access), rules_(access.rules.list()), policy_(policy) {}

  void run() {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (!never_matches(rules_[i]) && !is_covered(i)) look_for_evasion(i);
    }
    look_for_moot_allows();
  }

 private:
  template <class... Args>
  void note(const SshRule& rule, fmt::format_string<Args...> format, Args&&... args) {
    problems_.note(list_.node->items[rule.number - 1].at, "rule {} of ssh.rules {}", rule.number,
                   fmt::format(format, std::forward<Args>(args)...));
  }

  bool never_matches(const SshRule& rule) {
    if (is_for_logins(rule) && rule.sshsig_namespace) {
      note(rule, "can never match: {} is for logins, sshsig_namespace for signatures of files",
           rule.user ? "user" : "destination");
      return true;
    }
    // That nothing is offered at all is told where it stands.
    if (!rule.key || access_.offers(*rule.key) || access_.offer->empty()) return false;
    note(rule, "can never match: its key is not in ssh.offer, so no guest may use it");
    return true;
  }

  bool is_covered(std::size_t at) {
    const SshRule& rule = rules_[at];
    for (const SshRule& earlier : std::span(rules_).first(at)) {
      if (!covers(earlier, rule)) continue;
      const bool contradict = has_same_criteria(earlier, rule) && earlier.action != rule.action;
      if (!contradict && acts_on_what_could_be(rule) && !acts_on_what_could_be(earlier)) continue;
      if (contradict) {
        note(rule, "contradicts rule {} (line {}), which counts because it comes first: {} and {}",
             earlier.number, earlier.line, rule_action_name(earlier.action), rule_action_name(rule.action));
      } else {
        note(rule, "can never match: rule {} (line {}) comes first and matches all that it would",
             earlier.number, earlier.line);
      }
      return true;
    }
    return false;
  }

  void look_for_evasion(std::size_t at) {
    const SshRule& rule = rules_[at];
    if (rule.action == RuleAction::kAllow || !rule.require_proof.value_or(false)) return;
    const auto later = std::span(rules_).subspan(at + 1);
    const auto way = std::ranges::find_if(later, lets_unproven_logins_in);
    if (way == later.end() && policy_ != Policy::kApproveAll) return;
    note(rule, "is moot: a guest that does not say which host it is for gets past it, to {}",
         way == later.end() ? std::string("the policy approve-all")
                            : fmt::format("rule {} (line {})", way->number, way->line));
  }

  // Whoever writes what is allowed means that the rest is not.
  void look_for_moot_allows() {
    if (policy_ != Policy::kApproveAll) return;
    const auto is_allow = [](const SshRule& rule) { return rule.action == RuleAction::kAllow; };
    const auto first = std::ranges::find_if(rules_, is_allow);
    if (first == rules_.end() || !std::all_of(first, rules_.end(), is_allow)) return;
    note(*first,
         "allows what is allowed without it: no rule behind it denies or asks, and "
         "ssh.approval.policy is approve-all");
  }

  Problems& problems_;
  const Setting& list_;
  const SshAccess& access_;
  const std::vector<SshRule>& rules_;
  Policy policy_;
};

}  // namespace

void review_ssh_rules(Problems& problems, const Setting& list, const SshAccess& access, Policy policy) {
  Review(problems, list, access, policy).run();
}

}  // namespace shed::broker
