// `ssh.rules` and `ssh.offer` of the configuration: what a guest may have signed without a question, or not
// at all, and which keys it gets to see.
//
// The first rule that acts on a request decides, before the policy does. A rule acts when all of its criteria
// match; one without criteria acts on everything, data that nobody can read included. `user` and
// `destination` match logins only, `sshsig_namespace` signatures of files only; but `deny` and `ask` take
// data that we cannot read for any of these: servers read more than we do. To them `user` matches in any
// case, and also without what stands behind a ':' or '/', which is no part of the account to OpenSSH's
// server.
//
// Whether a login is for a destination has three answers. The guest proves to which host it logs in with a
// session bind (ssh/destination.h), but it need not tell us, and root in the guest tells us what it likes:
//
//   yes    proven, and it is that host
//   no     proven to be another host, which the known_hosts files name; or the signature of a file
//   maybe  not proven, or a host that the files do not name; or data that we cannot read
//
// `allow` acts on yes alone; with `require_proof: false` also where that host is claimed. `deny` and `ask`
// act on maybe, too: otherwise a guest would get past them by naming no host. With `require_proof: true` they
// act on yes alone. What is signed for a host key that the files revoke is not allowed by any destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/broker/sign_subject.h"

namespace shed::broker {

// More is no longer read by people; looking at all of them takes microseconds.
inline constexpr std::size_t kMaxSshRules = 256;
inline constexpr std::size_t kMaxSshOffers = 256;
inline constexpr std::size_t kMaxRuleText = 256;  // bytes of a criterion

enum class RuleAction : std::uint8_t { kAllow, kDeny, kAsk };
std::string_view rule_action_name(RuleAction action);

// What is absent matches anything. Names may have * and ? in them; letters count, but where said otherwise.
struct SshRule {
  std::size_t number = 0;  // from 1
  int line = 0;            // of the file
  std::optional<std::string> shed;
  std::optional<std::string> server;
  // Fingerprint of the key; of a certificate the key's in it.
  std::optional<std::string> key;
  // Fingerprint of a host key, of a host certificate the key's in it; or a name as known_hosts has it
  // (`host`, `[host]:port` where the port is not 22), in lower case, that the files give the host key,
  // hashed ones too; or a pattern for names that can be read there.
  std::optional<std::string> destination;
  std::optional<std::string> user;
  std::optional<std::string> sshsig_namespace;
  std::optional<bool> require_proof;
  RuleAction action = RuleAction::kDeny;

  // `2 (line 14)`
  std::string reference() const;
  // `destination github.com, user git`; `anything` without criteria.
  std::string criteria() const;
};

// `SHA256:...`, or what looks like the beginning of one.
bool is_fingerprint(std::string_view text);

// A request as the rules see it. Views into what the caller keeps.
struct RuleFacts {
  std::string_view server;
  std::string_view shed;
  std::string_view key;  // fingerprint, as SshRule::key
  const SignSubject& subject;
};

enum class HostMatch : std::uint8_t { kNo, kMaybe, kClaimed, kYes };  // kClaimed: maybe, and it is said to be

struct RuleVerdict {
  const SshRule* rule = nullptr;  // none acts: the policy decides
  HostMatch host = HostMatch::kYes;
};

class SshRules {
 public:
  SshRules() = default;
  // Counts them: the first one is number 1. `file` is where they stand, for a reason.
  SshRules(std::vector<SshRule> rules, std::string_view file);

  // Takes microseconds and allocates nothing. The subject must come from a reader that looks up host_names().
  RuleVerdict first_match(const RuleFacts& facts) const;
  // Why a rule denies, for the record and the guest: `rule 2 of ssh.rules (extensions.yaml:14) denies login
  // root@one.example`. `subject` is its text.
  std::string denial(const RuleVerdict& verdict, std::string_view subject) const;

  const std::vector<SshRule>& list() const { return rules_; }
  // Of this guest, whatever it asks for; an empty name stands for every guest, an empty server for each one.
  std::vector<const SshRule*> of_guest(std::string_view server, std::string_view shed) const;
  // Whether a person may have to be asked.
  bool may_ask() const;
  // The destinations that are names without a pattern.
  const std::vector<std::string>& host_names() const { return host_names_; }

 private:
  enum class DestinationKind : std::uint8_t { kFingerprint, kName, kPattern };
  struct Destination {
    DestinationKind kind = DestinationKind::kName;
    std::size_t name = 0;  // in host_names_
  };

  HostMatch match_host(std::size_t rule, const SignSubject& subject) const;
  bool is_host(std::size_t rule, const SignSubject& subject) const;

  std::vector<SshRule> rules_;
  std::vector<Destination> destinations_;  // one a rule
  std::vector<std::string> host_names_;
  std::string file_;  // its name, without the folder: guests read it
};

// What a host agent lets guests do with its keys.
struct SshAccess {
  SshRules rules;
  // Fingerprints, as SshRule::key: the keys that are listed and may sign. Absent: all.
  std::optional<std::vector<std::string>> offer;

  bool offers(std::string_view key) const;
};

}  // namespace shed::broker
