// What the person reads about rules that are wrong, or that do not do what they seem to.
#include "host_config_testing.h"

using namespace shed::broker;
using namespace shed::broker::testing;

namespace {

constexpr std::string_view kKey = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

std::string rule_problem(std::string_view rule) {
  return problem_of(fmt::format("ssh: {{ rules: [{}] }}", rule));
}

std::vector<std::string> notices_of(std::string_view yaml) {
  std::vector<std::string> lines;
  for (const ConfigProblem& notice : config_of(yaml).notices) lines.push_back(notice.format());
  return lines;
}
std::vector<std::string> rule_notices(std::string_view rules, std::string_view policy = "deny-all") {
  return notices_of(fmt::format("ssh: {{ approval: {{ policy: {} }}, rules: [{}] }}", policy, rules));
}
std::string rule_notice(std::string_view rules, std::string_view policy = "deny-all") {
  const auto lines = rule_notices(rules, policy);
  INFO(rules);
  CAPTURE(lines);
  REQUIRE(lines.size() == 1);
  return lines.front();
}
bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("rules and offer are read as they are written") {
  const HostConfig config = config_of(fmt::format(R"(
ssh:
  rules:
    - {{ shed: "ci-*", server: mini2, key: "{0}", destination: GitHub.com, user: git, action: allow }}
    - sshsig_namespace: git
      action: deny
    - {{ destination: "[two.example]:2222", require_proof: no, action: ask }}
  offer: ["{0}"]
)",
                                                  kKey));
  const auto& rules = config.ssh_access.rules.list();
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].criteria() ==
        fmt::format("shed ci-*, server mini2, key {}, destination github.com, user git", kKey));
  CHECK(rules[0].action == RuleAction::kAllow);
  CHECK(rules[1].criteria() == "sshsig_namespace git");
  CHECK(rules[1].reference() == "2 (line 5)");
  CHECK(rules[1].action == RuleAction::kDeny);
  CHECK(rules[2].criteria() == "destination [two.example]:2222, also claimed");
  CHECK(rules[2].action == RuleAction::kAsk);
  CHECK(config.ssh_access.rules.host_names() == std::vector<std::string>{"github.com", "[two.example]:2222"});
  CHECK(config.ssh_access.offer == std::vector<std::string>{std::string(kKey)});
}

TEST_CASE("without rules and offer there are none and all keys are offered") {
  const HostConfig config = config_of("ssh: { rules: [] }");
  CHECK(config.ssh_access.rules.list().empty());
  CHECK(config.ssh_access.offers(kKey));
  CHECK(config.gate_namespaces().empty());
}

TEST_CASE("a rule that asks makes ssh a namespace that asks") {
  const HostConfig config =
      config_of("ssh: { rules: [{ action: ask }] }\ndocker: { approval: { policy: shed-desktop } }");
  CHECK(config.gate_namespaces() == std::vector<std::string_view>{"ssh-agent", "docker-credentials"});
  CHECK(
      config_of("ssh: { rules: [{ action: ask }], approval: { policy: shed-desktop } }").gate_namespaces() ==
      std::vector<std::string_view>{"ssh-agent"});
}

TEST_CASE("a rule needs an action that there is") {
  CHECK(rule_problem("{ user: git }") ==
        "extensions.yaml:1:16: ssh.rules[1] has no action; give it one of allow, deny, ask");
  CHECK(rule_problem("{ action: alow }") ==
        "extensions.yaml:1:26: ssh.rules[1].action \"alow\" is not one of allow, deny, ask, did you mean "
        "'allow'?");
  CHECK(contains(rule_problem("{ action: \"\" }"),
                 "ssh.rules[1].action: it has no value; give it one of allow, deny"));
  CHECK(contains(rule_problem("{ action: }"), "ssh.rules[1].action: it has no value"));
  CHECK(contains(rule_problem("{ action: [allow] }"),
                 "ssh.rules[1].action must be one of allow, deny, ask, here is a"));
}

TEST_CASE("an unknown key of a rule is shown with the one that was meant") {
  CHECK(rule_problem("{ action: ask }, { destinaton: x, action: deny }") ==
        "extensions.yaml:1:35: 'destinaton' is not a key of ssh.rules[2], did you mean 'destination'?");
}

TEST_CASE("a key without a value is an error, since the rule would match more than was meant") {
  const std::string key =
      GENERATE(as<std::string>{}, "shed", "server", "key", "destination", "user", "sshsig_namespace");
  const std::string value = GENERATE(as<std::string>{}, "", "\"\"", "~");
  CHECK(contains(
      rule_problem(fmt::format("{{ {}: {}, action: allow }}", key, value)),
      fmt::format("ssh.rules[1].{}: it has no value; give it one, or remove the key to match anything",
                  key)));
}

TEST_CASE("what is no list of rules is an error") {
  const std::string rules = GENERATE(as<std::string>{}, "{ action: ask }", "deny", "~", "");
  CHECK(contains(problem_of(fmt::format("ssh:\n  rules: {}\n", rules)),
                 "ssh.rules must be a list of rules such as"));
}

TEST_CASE("what is no rule is an error") {
  CHECK(
      contains(rule_problem("allow"), "ssh.rules[1] must be a map with keys such as 'shed', here is a text"));
  CHECK(
      contains(rule_problem("~"), "ssh.rules[1] must be a map with keys such as 'action', here is nothing"));
  CHECK(contains(rule_problem("{ user: [git], action: ask }"),
                 "ssh.rules[1].user must be a text, here is a list"));
}

TEST_CASE("a fingerprint is SHA256 and 43 characters") {
  for (const char* bad : {"SHA256:AAAA", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                          "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
                          "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-A"}) {
    CHECK(contains(
        rule_problem(fmt::format("{{ key: \"{}\", action: deny }}", bad)),
        fmt::format("ssh.rules[1].key: \"{}\": behind SHA256: there must be 43 characters of base64", bad)));
    CHECK(
        contains(rule_problem(fmt::format("{{ destination: \"{}\", action: deny }}", bad)), "43 characters"));
    CHECK(contains(problem_of(fmt::format("ssh: {{ offer: [\"{}\"] }}", bad)), "43 characters"));
  }
  CHECK(contains(rule_problem("{ key: id_ed25519, action: deny }"), "a fingerprint starts with SHA256:"));
  CHECK(contains(rule_problem("{ destination: \"sha256:abc\", action: deny }"),
                 "a fingerprint starts with SHA256:"));
}

TEST_CASE("MD5 is refused, with the reason") {
  constexpr std::string_view kHex = "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48";
  const std::string text = GENERATE_COPY(as<std::string>{}, std::string(kHex), fmt::format("MD5:{}", kHex));
  CHECK(contains(rule_problem(fmt::format("{{ key: \"{}\", action: deny }}", text)), "MD5 is too weak"));
  CHECK(contains(problem_of(fmt::format("ssh: {{ offer: [\"{}\"] }}", text)), "MD5 is too weak"));
  CHECK(contains(rule_problem(fmt::format("{{ destination: \"MD5:{}\", action: deny }}", kHex)),
                 "MD5 is too weak"));
}

TEST_CASE("a destination must be what a host can be called") {
  CHECK(contains(rule_problem("{ destination: git@github.com, action: allow }"), "that is 'user'"));
  CHECK(contains(rule_problem("{ destination: \"two.example:2222\", action: allow }"), "[host]:2222"));
  CHECK(contains(rule_problem("{ destination: \"a,b\", action: allow }"), "no host has such a name"));
  CHECK(contains(rule_problem("{ destination: \"!a\", action: allow }"), "no host has such a name"));
  CHECK(contains(rule_problem("{ destination: \"ssh://a\", action: allow }"), "no host has such a name"));
  CHECK(contains(rule_problem("{ destination: \"a b\", action: allow }"), "no host has such a name"));
  CHECK(contains(rule_problem(fmt::format("{{ destination: {}, action: allow }}", std::string(264, 'a'))),
                 "longer"));
  CHECK(problems_of("ssh: { rules: [{ destination: \"2001:db8::1\", action: allow }] }").empty());
}

TEST_CASE("a text of a rule has a bound, and so has the number of rules and keys") {
  const std::string text(kMaxRuleText + 1, 'a');
  CHECK(contains(rule_problem(fmt::format("{{ shed: {}, action: deny }}", text)), "longer than 256 bytes"));
  std::string rules, keys;
  for (std::size_t i = 0; i < kMaxSshRules; ++i) rules += fmt::format("{{ shed: s{}, action: deny }}, ", i);
  for (std::size_t i = 0; i <= kMaxSshOffers; ++i) keys += fmt::format("\"{}\", ", kKey);
  CHECK(problems_of(fmt::format("ssh: {{ rules: [{}] }}", rules)).empty());
  CHECK(contains(rule_problem(rules + "{ action: ask }"), "more than 256 rules in ssh.rules"));
  CHECK(contains(problem_of(fmt::format("ssh: {{ offer: [{}] }}", keys)), "more than 256 keys in ssh.offer"));
}

TEST_CASE("a proof is one of a destination") {
  CHECK(contains(rule_problem("{ user: git, require_proof: true, action: allow }"),
                 "it is about a destination, and there is none"));
  CHECK(contains(rule_problem("{ destination: a, require_proof: maybe, action: allow }"),
                 "must be true or false"));
}

TEST_CASE("an offer without a value is an error, an empty one is told") {
  CHECK(problem_of("ssh:\n  offer: ~\n") ==
        "extensions.yaml:2:10: ssh.offer has no value: [] offers no key, without ssh.offer all are offered");
  CHECK(contains(problem_of("ssh: { offer: all }"), "ssh.offer must be a list"));
  CHECK(notices_of("ssh: { offer: [] }") ==
        std::vector<std::string>{"extensions.yaml:1:15: ssh.offer is empty, so guests see no key"});
  CHECK_FALSE(config_of("ssh: { offer: [] }").ssh_access.offers(kKey));
}

TEST_CASE("rules that can never match are told, with the one in front of them") {
  CHECK(rule_notice("{ user: \"g*\", action: ask }, { user: git, destination: github.com, action: ask }") ==
        "extensions.yaml:1:77: rule 2 of ssh.rules can never match: rule 1 (line 1) comes first and matches "
        "all "
        "that it would");
  for (const char* rules : {
           "{ action: ask }, { shed: web, action: deny }",
           "{ shed: \"*\", action: ask }, { shed: \"ci-*\", action: deny }",
           "{ user: \"*\", action: deny }, { destination: github.com, action: allow }",
           "{ destination: a, action: deny }, { destination: a, user: git, action: allow }",
           "{ destination: a, require_proof: false, action: allow }, { destination: a, action: allow }",
       }) {
    CHECK(contains(rule_notice(rules), "rule 2 of ssh.rules can never match"));
  }
}

TEST_CASE("a rule for logins and files at once can never match") {
  CHECK(contains(
      rule_notice("{ user: git, sshsig_namespace: git, action: allow }"),
      "rule 1 of ssh.rules can never match: user is for logins, sshsig_namespace for signatures of files"));
  CHECK(contains(rule_notice("{ destination: a, sshsig_namespace: git, action: allow }"),
                 "destination is for logins"));
}

TEST_CASE("a rule for a key that is not offered can never match") {
  const auto notices = [](std::string_view offer) {
    return notices_of(
        fmt::format("ssh: {{ rules: [{{ key: \"{}\", action: allow }}], offer: [{}] }}", kKey, offer));
  };
  const std::string other = fmt::format("\"SHA256:{}A\"", std::string(42, 'x'));
  REQUIRE(notices(other).size() == 1);
  CHECK(contains(notices(other).front(),
                 "rule 1 of ssh.rules can never match: its key is not in ssh.offer, so no guest may use it"));
  CHECK(notices(fmt::format("{}, \"{}\"", other, kKey)).empty());
  REQUIRE(notices("").size() == 1);
  CHECK(contains(notices("").front(), "ssh.offer is empty"));
}

TEST_CASE("rules that contradict are told, and which one counts") {
  CHECK(
      rule_notice("{ shed: web, action: allow }, { shed: web, action: deny }") ==
      "extensions.yaml:1:78: rule 2 of ssh.rules contradicts rule 1 (line 1), which counts because it comes "
      "first: allow and deny");
}

TEST_CASE("rules that differ in what they act on are not told") {
  for (const char* rules : {
           // Proven logins in, all that could be it out.
           "{ destination: a, action: allow }, { destination: a, action: deny }",
           "{ destination: a, action: allow }, { destination: a, require_proof: false, action: allow }",
           "{ shed: \"ci-?\", action: allow }, { shed: \"ci-*\", action: deny }",
           "{ destination: \"*.example\", action: deny }, { destination: a.example, action: allow }",
           "{ user: git, action: allow }, { action: deny }",
           // What cannot be read could be a login as git.
           "{ user: \"g*\", action: allow }, { user: git, action: deny }",
           "{ sshsig_namespace: \"*\", action: allow }, { sshsig_namespace: git, action: deny }",
           "{ sshsig_namespace: \"*\", action: allow }, { user: git, action: deny }",
           // A pattern is for both of an account's readings.
           "{ user: \"*:b\", action: allow }, { user: \"a:b\", action: allow }",
       }) {
    CHECK(rule_notices(rules).empty());
  }
}

TEST_CASE("rules that the policy makes moot are told") {
  CHECK(contains(
      rule_notice("{ destination: a, require_proof: true, action: deny }", "approve-all"),
      "rule 1 of ssh.rules is moot: a guest that does not say which host it is for gets past it, to the "
      "policy approve-all"));
  CHECK(contains(
      rule_notice("{ destination: a, require_proof: true, action: deny }, { user: git, action: allow }"),
      "gets past it, to rule 2 (line 1)"));
  CHECK(contains(rule_notice("{ shed: x, action: deny }, { destination: a, action: allow }", "approve-all"),
                 "rule 2 of ssh.rules allows what is allowed without it"));
  CHECK(rule_notices("{ destination: a, action: allow }, { action: deny }", "approve-all").empty());
}

TEST_CASE("what is in force for a guest includes its rules and the keys that it sees") {
  const HostConfig config = config_of(fmt::format(R"(
ssh:
  rules:
    - {{ shed: "ci-*", action: deny }}
    - {{ destination: github.com, user: git, action: allow }}
  offer: ["{}"]
)",
                                                  kKey));
  const std::string web = describe_for_shed(config, "", "web");
  CHECK(contains(web, "  rule 2            allow destination github.com, user git (line 5)\n"));
  CHECK_FALSE(contains(web, "rule 1"));
  CHECK(contains(web, fmt::format("  offers            {}\n", kKey)));
  CHECK(contains(describe_for_shed(config, "", "ci-1"), "  rule 1            deny shed ci-* (line 4)\n"));
  const std::string any = describe_for_shed(config, "", "");
  CHECK(contains(any, "guest               any; with --shed NAME what is in force for one\n"));
  CHECK(contains(any, "  rule 1            deny shed ci-* (line 4)\n  rule 2 "));
  CHECK(contains(describe_for_shed(config, "mini2", ""), "guest               any on mini2\n"));
  CHECK(
      contains(describe_for_shed(config_of("ssh: { offer: [] }"), "", "web"), "no key (ssh.offer is empty)"));
}
