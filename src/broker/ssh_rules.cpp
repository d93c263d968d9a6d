#include "shed/broker/ssh_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "shed/base/glob.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

bool fits(const std::optional<std::string>& wanted, std::string_view is) {
  return !wanted || glob_matches(is, *wanted);
}

bool is_unreadable(const ssh::SignedData& data) {
  using Kind = ssh::SignedData::Kind;
  return data.kind != Kind::kLogin && data.kind != Kind::kSshsig;
}

// The account that OpenSSH's server lets `root:anything` in as, Debian's also `root/anything`; all of it is
// signed. To other servers the whole is a name.
std::string_view account_of(std::string_view user) { return user.substr(0, user.find_first_of(":/")); }

// Some servers take accounts in any case.
bool could_be_account(std::string_view user, std::string_view pattern) {
  return glob_matches(user, pattern, LetterCase::kIgnored) ||
         glob_matches(account_of(user), pattern, LetterCase::kIgnored);
}

// Whatever the server takes for the account: `*-deploy` must not let `root:-deploy` in.
bool is_account(std::string_view user, std::string_view pattern) {
  return user == pattern || (glob_matches(user, pattern) && glob_matches(account_of(user), pattern));
}

bool fits_account(const SshRule& rule, std::string_view user) {
  return rule.action == RuleAction::kAllow ? is_account(user, *rule.user)
                                           : could_be_account(user, *rule.user);
}

// Servers and verifiers read more than we do: what we cannot read could be what is denied. Nothing is both a
// login and a file's signature.
bool fits_what_could_be(const SshRule& rule) {
  if (rule.action == RuleAction::kAllow) return !rule.user && !rule.sshsig_namespace;
  return !rule.sshsig_namespace || !(rule.user || rule.destination);
}

// All criteria but the destination.
bool fits_without_host(const SshRule& rule, const RuleFacts& facts) {
  const ssh::SignedData& data = facts.subject.data;
  if (!fits(rule.shed, facts.shed) || !fits(rule.server, facts.server)) return false;
  if (rule.key && *rule.key != facts.key) return false;
  if (is_unreadable(data)) return fits_what_could_be(rule);
  if (rule.user && !(data.is_login() && fits_account(rule, data.user))) return false;
  return !rule.sshsig_namespace ||
         (!data.is_login() && glob_matches(data.sshsig_namespace, *rule.sshsig_namespace));
}

bool acts_on(const SshRule& rule, HostMatch host, bool revoked) {
  if (host == HostMatch::kYes) return rule.action != RuleAction::kAllow || !revoked;
  if (host == HostMatch::kNo) return false;
  if (rule.action != RuleAction::kAllow) return !rule.require_proof.value_or(false);
  // Refused on purpose without the word of the owner: a claim is the guest's, who may have made it up.
  return host == HostMatch::kClaimed && !rule.require_proof.value_or(true) && !revoked;
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?") != text.npos; }

}  // namespace

std::string_view rule_action_name(RuleAction action) {
  switch (action) {
    case RuleAction::kAllow:
      return "allow";
    case RuleAction::kDeny:
      return "deny";
    case RuleAction::kAsk:
      break;
  }
  return "ask";
}

bool is_fingerprint(std::string_view text) {
  return glob_matches(text, "sha256:*", LetterCase::kIgnored) ||
         glob_matches(text, "md5:*", LetterCase::kIgnored);
}

std::string SshRule::reference() const { return fmt::format("{} (line {})", number, line); }

std::string SshRule::criteria() const {
  std::string text;
  const auto add = [&text](std::string_view name, const std::optional<std::string>& value) {
    if (value) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, log::printable(*value));
  };
  add("shed", shed);
  add("server", server);
  add("key", key);
  add("destination", destination);
  add("user", user);
  add("sshsig_namespace", sshsig_namespace);
  if (text.empty()) return "anything";
  if (require_proof) text += *require_proof ? ", proven" : ", also claimed";
  return text;
}

SshRules::SshRules(std::vector<SshRule> rules, std::string_view file)
    : rules_(std::move(rules)), file_(file.substr(file.find_last_of('/') + 1)) {
  destinations_.resize(rules_.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    rules_[i].number = i + 1;
    if (!rules_[i].destination) continue;
    const std::string& text = *rules_[i].destination;
    destinations_[i].kind = is_fingerprint(text) ? DestinationKind::kFingerprint
                            : is_pattern(text)   ? DestinationKind::kPattern
                                                 : DestinationKind::kName;
    if (destinations_[i].kind != DestinationKind::kName) continue;
    const auto known = std::ranges::find(host_names_, text);
    destinations_[i].name = static_cast<std::size_t>(known - host_names_.begin());
    if (known == host_names_.end()) host_names_.push_back(text);
  }
}

bool SshRules::is_host(std::size_t rule, const SignSubject& subject) const {
  const std::string& wanted = *rules_[rule].destination;
  const Destination& destination = destinations_[rule];
  switch (destination.kind) {
    case DestinationKind::kFingerprint:
      return subject.host_fingerprint == wanted;
    case DestinationKind::kName:
      return destination.name < subject.known_as.size() && subject.known_as[destination.name];
    case DestinationKind::kPattern:
      break;
  }
  return std::ranges::any_of(subject.names, [&wanted](std::string_view name) {
    return glob_matches(name, wanted, LetterCase::kIgnored);
  });
}

HostMatch SshRules::match_host(std::size_t rule, const SignSubject& subject) const {
  using Naming = ssh::KnownHosts::Naming;
  if (is_unreadable(subject.data)) return HostMatch::kMaybe;
  if (!subject.data.is_login()) return HostMatch::kNo;
  const bool named = !subject.host_key.empty() && is_host(rule, subject);
  if (subject.proof != ssh::Proof::kProven) return named ? HostMatch::kClaimed : HostMatch::kMaybe;
  if (named) return HostMatch::kYes;
  // Another host for certain only where its names are known, and for a pattern all of them: a guest can make
  // a key of its own and prove a login to be for that, and hosts have more than one key.
  const bool is_for_pattern = destinations_[rule].kind == DestinationKind::kPattern;
  const bool is_known = is_for_pattern ? subject.naming == Naming::kAll : subject.naming != Naming::kNone;
  return is_known ? HostMatch::kNo : HostMatch::kMaybe;
}

RuleVerdict SshRules::first_match(const RuleFacts& facts) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const SshRule& rule = rules_[i];
    if (!fits_without_host(rule, facts)) continue;
    if (!rule.destination) return {&rule};
    const HostMatch host = match_host(i, facts.subject);
    if (acts_on(rule, host, facts.subject.host_key_revoked)) return {&rule, host};
  }
  return {};
}

std::string SshRules::denial(const RuleVerdict& verdict, std::string_view subject) const {
  const SshRule& rule = *verdict.rule;
  std::string text =
      fmt::format("rule {} of ssh.rules ({}:{}) denies {}", rule.number, file_, rule.line, subject);
  if (rule.destination && verdict.host != HostMatch::kYes) {
    text += fmt::format("; which host it is for is not proven, so it could be {}", *rule.destination);
  }
  return text;
}

std::vector<const SshRule*> SshRules::of_guest(std::string_view server, std::string_view shed) const {
  std::vector<const SshRule*> found;
  for (const SshRule& rule : rules_) {
    const bool of_shed = shed.empty() || fits(rule.shed, shed);
    if (of_shed && (server.empty() || fits(rule.server, server))) found.push_back(&rule);
  }
  return found;
}

bool SshRules::may_ask() const {
  return std::ranges::find(rules_, RuleAction::kAsk, &SshRule::action) != rules_.end();
}

bool SshAccess::offers(std::string_view key) const {
  return !offer || std::ranges::find(*offer, key) != offer->end();
}

}  // namespace shed::broker
