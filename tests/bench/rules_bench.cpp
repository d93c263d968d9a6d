// What a decision by rule takes: 256 rules, of which none acts, about a login whose host is one of 1,000
// hashed lines of known_hosts. `rules_lookup` is what the other thread does before, once for all rules: it
// compares the host with the names in them.
//
//   rules_bench
#include "measure.h"
#include "shed/base/base64.h"
#include "shed/broker/host_config.h"
#include "shed/ssh/wire.h"

namespace shed::bench {
namespace {

constexpr std::size_t kLines = 1'000;
constexpr int kLogins = 2'000;
constexpr std::string_view kOtherKey = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

// A kind each of guest, key, host and pattern, so that each criterion is looked at.
std::string rules_text() {
  std::string text = "ssh: { rules: [";
  for (std::size_t i = 0; i < broker::kMaxSshRules / 4; ++i) {
    text += fmt::format("{{ shed: \"ci-{}-*\", action: deny }}, {{ key: \"{}\", user: git, action: deny }}, ",
                        i, kOtherKey);
    text += fmt::format("{{ destination: host{0}.example, user: \"g*\", action: allow }}, ", i);
    text += fmt::format("{{ destination: \"*.n{0}.example\", user: git, action: allow }}, ", i);
  }
  return text + "] }";
}

std::string host_key(std::size_t number) {
  std::string blob;
  ssh::WireWriter(blob).string("ssh-ed25519").string(fmt::format("{:032}", number));
  return blob;
}

// The names in them are nobody's: a hash that does not match costs as much as one that does.
std::string hashed_lines() {
  std::string text;
  for (std::size_t i = 0; i < kLines; ++i) {
    const std::string salt = base64_encode(fmt::format("{:020}", i));
    text += fmt::format("|1|{}|{} ssh-ed25519 {}\n", salt, salt, base64_encode(host_key(i)));
  }
  return text;
}

broker::SignSubject login(const ssh::KnownHosts& hosts, const std::vector<std::string>& names, WallTime now) {
  broker::SignSubject subject;
  subject.data.kind = ssh::SignedData::Kind::kLogin;
  subject.data.user = "git";
  subject.proof = ssh::Proof::kProven;
  subject.host_key = host_key(kLines / 2);
  subject.host_fingerprint = ssh::fingerprint(subject.host_key);
  subject.names = {"github.com"};
  subject.naming = hosts.naming(subject.host_key, now);
  subject.known_as = hosts.matches_each(names, subject.host_key, now);
  return subject;
}

}  // namespace
}  // namespace shed::bench

int main() {
  namespace broker = shed::broker;
  using namespace shed::bench;
  const auto config = broker::parse_host_config(rules_text(), "bench.yaml", "/");
  if (!config) die(config.error().front().format());
  const broker::SshRules& rules = config->ssh_access.rules;
  shed::ssh::KnownHosts hosts;
  if (const auto added = hosts.add(hashed_lines()); !added || hosts.size() != kLines) die("known_hosts");
  const shed::WallTime now = shed::system_clock().wall();
  std::vector<double> lookups, decisions;
  for (int i = 0; i < kLogins; ++i) {
    const auto start = Clock::now();
    const broker::SignSubject subject = login(hosts, rules.host_names(), now);
    lookups.push_back(microseconds_since(start));
    const broker::RuleFacts facts{"mini2", "web", subject.host_fingerprint, subject};
    const auto decide = Clock::now();
    const broker::RuleVerdict verdict = rules.first_match(facts);
    decisions.push_back(microseconds_since(decide));
    if (verdict.rule != nullptr) die("a rule has acted");
  }
  report("rules_decision", percentile(decisions, 0.99));
  report("rules_lookup", median(lookups));
  return 0;
}
