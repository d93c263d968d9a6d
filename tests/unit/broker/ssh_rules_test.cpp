#include "shed/broker/ssh_rules.h"

#include "host_config_testing.h"
#include "ssh_fixture.h"
#include "unit/base/allocations.h"

namespace shed::broker {
namespace {

using namespace testing;
using Kind = ssh::SignedData::Kind;
using Naming = ssh::KnownHosts::Naming;
using ssh::Proof;

const std::string kKey = "SHA256:" + std::string(42, 'k') + "A";
const std::string kHost = "SHA256:" + std::string(42, 'h') + "A";

SshRules rules_of(std::string_view rules) {
  return config_of(fmt::format("ssh:\n  rules: [{}]\n", rules)).ssh_access.rules;
}

// A login to a host with these names, looked up as the reader does it where nothing is hashed.
SignSubject login(std::vector<std::string> names = {"one.example"}, Proof proof = Proof::kProven) {
  SignSubject subject;
  subject.data.kind = Kind::kLogin;
  subject.data.user = "git";
  subject.proof = proof;
  if (proof == Proof::kUnknown) return subject;
  subject.host_key = ed25519();
  subject.host_fingerprint = kHost;
  subject.naming = names.empty() ? Naming::kNone : Naming::kAll;
  subject.names = std::move(names);
  return subject;
}

SignSubject revoked(SignSubject subject) {
  subject.host_key_revoked = true;
  subject.names.clear();
  subject.naming = Naming::kNone;
  return subject;
}

SignSubject sshsig(std::string_view name_space) {
  SignSubject subject;
  subject.data.kind = Kind::kSshsig;
  subject.data.sshsig_namespace = name_space;
  return subject;
}

// The number of the rule that acts; 0 for none.
std::size_t match(const SshRules& rules, SignSubject subject, std::string_view shed = "web",
                  std::string_view server = "mini2") {
  if (!subject.host_key.empty()) {
    for (const std::string& name : rules.host_names())
      subject.known_as.push_back(std::ranges::find(subject.names, name) != subject.names.end());
  }
  const RuleVerdict verdict = rules.first_match({server, shed, kKey, subject});
  return verdict.rule == nullptr ? 0 : verdict.rule->number;
}
bool acts(std::string_view rule, SignSubject subject) {
  return match(rules_of(rule), std::move(subject)) == 1;
}

TEST_CASE("without rules none acts") { CHECK(match(SshRules(), login()) == 0); }

TEST_CASE("a rule without criteria acts on everything") {
  CHECK(acts("{ action: allow }", login()));
  CHECK(acts("{ action: allow }", login({}, Proof::kUnknown)));
  CHECK(acts("{ action: allow }", sshsig("git")));
  CHECK(acts("{ action: allow }", SignSubject{}));
}

TEST_CASE("the first rule that acts decides") {
  const SshRules rules =
      rules_of("{ shed: ci, action: deny }, { user: git, action: allow }, { action: ask }");
  CHECK(match(rules, login(), "ci") == 1);
  CHECK(match(rules, login()) == 2);
  CHECK(match(rules, sshsig("git")) == 3);
}

TEST_CASE("guest, server and account are compared with patterns, letter by letter") {
  const SshRules rules = rules_of("{ shed: \"ci-*\", server: \"mini?\", user: \"g*\", action: allow }");
  CHECK(match(rules, login(), "ci-7") == 1);
  CHECK(match(rules, login(), "web") == 0);
  CHECK(match(rules, login(), "CI-7") == 0);
  CHECK(match(rules, login(), "ci-7", "mini10") == 0);
  CHECK(match(rules, login(), "ci-7", "") == 0);
  SignSubject root = login();
  root.data.user = "root";
  CHECK(match(rules, root, "ci-7") == 0);
}

TEST_CASE("a key is its fingerprint") {
  CHECK(acts(fmt::format("{{ key: \"{}\", action: allow }}", kKey), login()));
  CHECK_FALSE(acts(fmt::format("{{ key: \"{}\", action: allow }}", kHost), login()));
}

TEST_CASE("a rule with an account acts on logins only, one with a namespace on signatures of files only") {
  CHECK_FALSE(acts("{ user: \"*\", action: deny }", sshsig("git")));
  CHECK_FALSE(acts("{ user: \"*\", action: allow }", SignSubject{}));
  CHECK_FALSE(acts("{ sshsig_namespace: \"*\", action: deny }", login()));
  CHECK_FALSE(acts("{ sshsig_namespace: \"*\", action: allow }", SignSubject{}));
  CHECK_FALSE(acts("{ destination: one.example, action: deny }", sshsig("git")));
  CHECK_FALSE(acts("{ destination: one.example, require_proof: false, action: allow }", SignSubject{}));
  CHECK(acts("{ sshsig_namespace: \"g?t\", action: deny }", sshsig("git")));
  CHECK_FALSE(acts("{ sshsig_namespace: git, action: deny }", sshsig("file")));
}

TEST_CASE("what cannot be read could be what is denied") {
  SignSubject test;
  test.data.kind = Kind::kAgentTest;
  const std::string criterion =
      GENERATE(as<std::string>{}, "user: root", "sshsig_namespace: git", "destination: one.example");
  for (const std::string_view action : {"deny", "ask"}) {
    const std::string rule = fmt::format("{{ {}, action: {} }}", criterion, action);
    CHECK(acts(rule, SignSubject{}));
    CHECK(acts(rule, test));
  }
  CHECK_FALSE(acts("{ destination: one.example, require_proof: true, action: deny }", SignSubject{}));
  CHECK_FALSE(acts("{ user: root, sshsig_namespace: git, action: deny }", SignSubject{}));
}

TEST_CASE("an account is denied however a server would find it, and allowed as it is written only") {
  const SshRules deny = rules_of("{ user: root, action: deny }"),
                 ask = rules_of("{ user: root, action: ask }");
  const SshRules allow = rules_of("{ user: root, action: allow }");
  SignSubject subject = login();
  for (const std::string_view user : {"root:x", "root:", "root/r", "root/r:x", "ROOT"}) {
    subject.data.user = user;
    CHECK(match(deny, subject) == 1);
    CHECK(match(ask, subject) == 1);
    CHECK(match(allow, subject) == 0);
  }
  for (const std::string_view user : {"rooted", "x:root", "x/root", ":root", ""}) {
    subject.data.user = user;
    CHECK(match(deny, subject) == 0);
  }
  subject.data.user = "team/root:x";
  CHECK(match(rules_of("{ user: \"team/*\", action: deny }"), subject) == 1);
}

TEST_CASE("a pattern allows an account, whatever the server takes for it") {
  SignSubject subject = login();
  const auto is_allowed = [&subject](std::string_view pattern, std::string_view user) {
    subject.data.user = user;
    return acts(fmt::format("{{ user: \"{}\", action: allow }}", pattern), subject);
  };
  CHECK(is_allowed("*-deploy", "web-deploy"));
  CHECK_FALSE(is_allowed("*-deploy", "root:-deploy"));
  CHECK_FALSE(is_allowed("*-deploy", "root/-deploy"));
  CHECK_FALSE(is_allowed("web-*-ro", "web-admin:-ro"));
  CHECK(is_allowed("web-*", "web-admin:x"));
  CHECK(is_allowed("*", "root:x"));
  // As the owner wrote it, and nothing else.
  CHECK(is_allowed("ada:prod", "ada:prod"));
  CHECK_FALSE(is_allowed("ada:p*", "ada:prod"));
}

TEST_CASE("an allowed destination is a proven one") {
  constexpr std::string_view kRule = "{ destination: One.Example, action: allow }";
  CHECK(acts(kRule, login()));
  CHECK(acts(kRule, login({"192.0.2.1", "one.example"})));
  CHECK_FALSE(acts(kRule, login({"two.example"})));
  CHECK_FALSE(acts(kRule, login({})));
  CHECK_FALSE(acts(kRule, login({"one.example"}, Proof::kClaimed)));
  CHECK_FALSE(acts(kRule, login({}, Proof::kUnknown)));
}

TEST_CASE("a claimed destination is allowed only where that is written") {
  constexpr std::string_view kRule = "{ destination: one.example, require_proof: false, action: allow }";
  CHECK(acts(kRule, login()));
  CHECK(acts(kRule, login({"one.example"}, Proof::kClaimed)));
  CHECK_FALSE(acts(kRule, login({"two.example"}, Proof::kClaimed)));
  CHECK_FALSE(acts(kRule, login({}, Proof::kUnknown)));
  CHECK_FALSE(acts("{ destination: one.example, require_proof: true, action: allow }",
                   login({"one.example"}, Proof::kClaimed)));
}

TEST_CASE("a denied destination is any that could be it") {
  const std::string rule = GENERATE(as<std::string>{}, "{ destination: one.example, action: deny }",
                                    "{ destination: one.example, action: ask }",
                                    "{ destination: one.example, require_proof: false, action: deny }");
  CHECK(acts(rule, login()));
  CHECK(acts(rule, login({"one.example"}, Proof::kClaimed)));
  CHECK(acts(rule, login({"two.example"}, Proof::kClaimed)));
  CHECK(acts(rule, login({}, Proof::kUnknown)));
  // A host that known_hosts has no name for could be it, too.
  CHECK(acts(rule, login({})));
  CHECK_FALSE(acts(rule, login({"two.example"})));
}

TEST_CASE("a denied destination that needs a proof is a proven one") {
  constexpr std::string_view kRule = "{ destination: one.example, require_proof: true, action: deny }";
  CHECK(acts(kRule, login()));
  CHECK_FALSE(acts(kRule, login({})));
  CHECK_FALSE(acts(kRule, login({"one.example"}, Proof::kClaimed)));
  CHECK_FALSE(acts(kRule, login({}, Proof::kUnknown)));
}

TEST_CASE("a destination may be the fingerprint of a host key") {
  const std::string allow = fmt::format("{{ destination: \"{}\", action: allow }}", kHost);
  CHECK(acts(allow, login({})));
  CHECK_FALSE(acts(allow, login({}, Proof::kClaimed)));
  CHECK_FALSE(acts(fmt::format("{{ destination: \"{}\", action: allow }}", kKey), login({})));
  // Another key is another host where known_hosts has a name for it. A guest can make one of its own, and a
  // host has several.
  CHECK_FALSE(acts(fmt::format("{{ destination: \"{}\", action: deny }}", kKey), login({"two.example"})));
  CHECK(acts(fmt::format("{{ destination: \"{}\", action: deny }}", kKey), login({})));
  CHECK(acts(fmt::format("{{ destination: \"{}\", action: ask }}", kKey), login({})));
  CHECK_FALSE(
      acts(fmt::format("{{ destination: \"{}\", require_proof: true, action: deny }}", kKey), login({})));
  CHECK(acts(fmt::format("{{ destination: \"{}\", action: deny }}", kKey), login({}, Proof::kUnknown)));
}

TEST_CASE("a destination may be a pattern for the names that can be read in known_hosts") {
  CHECK(acts("{ destination: \"*.Example\", action: allow }", login()));
  CHECK_FALSE(acts("{ destination: \"*.example\", action: allow }", login({"one.test"})));
  CHECK(acts("{ destination: \"[*.example]:22??\", action: allow }", login({"[two.example]:2222"})));
  CHECK_FALSE(acts("{ destination: \"*\", action: allow }", login({})));
  CHECK_FALSE(acts("{ destination: \"*.example\", action: deny }", login({"one.test"})));
}

TEST_CASE("a pattern cannot rule out a host that has names which cannot be read") {
  SignSubject subject = login({"one.test"});
  subject.naming = Naming::kSome;
  CHECK(acts("{ destination: \"*.example\", action: deny }", subject));
  CHECK_FALSE(acts("{ destination: \"*.example\", action: allow }", subject));
  // A name is looked up, hashed or not.
  CHECK_FALSE(acts("{ destination: one.example, action: deny }", subject));
}

TEST_CASE("no destination is allowed with a revoked host key") {
  CHECK_FALSE(acts("{ destination: one.example, action: allow }", revoked(login())));
  CHECK_FALSE(acts(fmt::format("{{ destination: \"{}\", action: allow }}", kHost), revoked(login())));
  CHECK_FALSE(acts(fmt::format("{{ destination: \"{}\", require_proof: false, action: allow }}", kHost),
                   revoked(login({}, Proof::kClaimed))));
  CHECK(acts(fmt::format("{{ destination: \"{}\", action: deny }}", kHost), revoked(login())));
  CHECK(acts("{ destination: one.example, action: deny }", revoked(login())));
}

TEST_CASE("a login whose host was not looked up in time is not allowed by name") {
  const SshRules rules = rules_of("{ destination: one.example, require_proof: false, action: allow }");
  const SignSubject subject = login({"one.example"}, Proof::kClaimed);
  CHECK(rules.first_match({"", "web", kKey, subject}).rule == nullptr);
}

TEST_CASE("a denial names the rule and its line, and says when the host is only possible") {
  const HostConfig config = config_of(
      "ssh:\n  rules:\n    - { user: x, action: ask }\n    - destination: one.example\n      action: deny\n");
  const SshRules& rules = config.ssh_access.rules;
  SignSubject subject = login({}, Proof::kUnknown);
  const RuleVerdict verdict = rules.first_match({"", "web", kKey, subject});
  REQUIRE(verdict.rule != nullptr);
  CHECK(verdict.rule->reference() == "2 (line 4)");
  CHECK(rules.denial(verdict, subject.text()) ==
        "rule 2 of ssh.rules (extensions.yaml:4) denies login git; which host it is for is not proven, so it "
        "could be one.example");
  subject = login();
  subject.known_as = {true};
  CHECK(rules.denial(rules.first_match({"", "web", kKey, subject}), subject.text()) ==
        "rule 2 of ssh.rules (extensions.yaml:4) denies login git@one.example");
}

TEST_CASE("a guest is not told in which folder the configuration is") {
  const SshRules rules({SshRule{}}, "/home/somebody/.config/shed/extensions.yaml");
  const RuleVerdict verdict{&rules.list().front()};
  CHECK(rules.denial(verdict, "opaque") == "rule 1 of ssh.rules (extensions.yaml:0) denies opaque");
}

TEST_CASE("a decision by rule allocates nothing") {
  std::string text;
  for (int i = 0; i < 64; ++i) {
    text += fmt::format("{{ shed: \"ci-{}-*\", action: deny }}, {{ key: \"{}\", action: deny }}, ", i, kHost);
    text += fmt::format("{{ destination: \"host{0}.example\", action: allow }}, ", i);
    text += fmt::format("{{ destination: \"*.n{0}.example\", user: \"g*\", action: allow }}, ", i);
  }
  const SshRules rules = rules_of(text);
  REQUIRE(rules.list().size() == kMaxSshRules);
  SignSubject subject = login({"two.example", "192.0.2.1"});
  subject.known_as.resize(rules.host_names().size());
  const RuleFacts facts{"mini2", "web", kKey, subject};
  const auto before = allocations();
  const RuleVerdict verdict = rules.first_match(facts);
  CHECK(allocations() == before);
  CHECK(verdict.rule == nullptr);
  subject.known_as.back() = true;
  const auto again = allocations();
  CHECK(rules.first_match(facts).rule != nullptr);
  CHECK(allocations() == again);
}

TEST_CASE("the rules of a guest are those that its name and server fit") {
  const SshRules rules = rules_of(
      "{ shed: \"ci-*\", action: deny }, { shed: web, server: mini1, action: ask }, { user: git, action: "
      "allow }");
  const auto numbers = [&rules](std::string_view server, std::string_view shed) {
    std::vector<std::size_t> found;
    for (const SshRule* rule : rules.of_guest(server, shed)) found.push_back(rule->number);
    return found;
  };
  CHECK(numbers("", "web") == std::vector<std::size_t>{2, 3});
  CHECK(numbers("", "") == std::vector<std::size_t>{1, 2, 3});
  CHECK(numbers("mini2", "") == std::vector<std::size_t>{1, 3});
  CHECK(numbers("mini2", "web") == std::vector<std::size_t>{3});
  CHECK(numbers("mini2", "ci-1") == std::vector<std::size_t>{1, 3});
}

}  // namespace
}  // namespace shed::broker
