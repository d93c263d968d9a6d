#include "broker/ssh_rules_schema.h"

#include <algorithm>

#include "broker/ssh_rules_review.h"
#include "shed/base/base64.h"
#include "shed/ssh/known_hosts.h"

namespace shed::broker {
namespace {

constexpr std::string_view kRuleKeys[] = {"shed", "server",           "key",           "destination",
                                          "user", "sshsig_namespace", "require_proof", "action"};
constexpr std::string_view kActions[] = {"allow", "deny", "ask"};
constexpr RuleAction kActionValues[] = {RuleAction::kAllow, RuleAction::kDeny, RuleAction::kAsk};

constexpr std::string_view kFingerprintStart = "SHA256:";
constexpr std::size_t kDigestText = 43;  // 32 bytes in base64, without padding
constexpr std::size_t kDigest = 32;
// Brackets and a port around a name.
constexpr std::size_t kMaxDestination = ssh::kMaxHostName + 8;

// Why it is no fingerprint, or nothing.
std::string_view fingerprint_flaw(std::string_view text) {
  if (text.starts_with("MD5:") || text.starts_with("md5:") || std::ranges::count(text, ':') == 15)
    return "MD5 is too weak to tell keys apart; take the SHA256 one that 'ssh-keygen -lf FILE' prints";
  if (!text.starts_with(kFingerprintStart))
    return "a fingerprint starts with SHA256:, as 'ssh-keygen -lf FILE' prints it";
  const std::string_view digest = text.substr(kFingerprintStart.size());
  const auto bytes =
      digest.size() == kDigestText ? base64_decode(std::string(digest) + "=") : Result<std::string>("");
  if (!bytes || bytes->size() != kDigest || digest.find('=') != digest.npos)
    return "behind SHA256: there must be 43 characters of base64";
  return {};
}

bool is_port(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Why no host can be called so, or nothing.
std::string_view host_flaw(std::string_view text) {
  if (text.size() > kMaxDestination) return "no host has such a long name";
  if (text.find('@') != text.npos) return "it is a host without an account; that is 'user'";
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable || text.find_first_of(",|!/\"") != text.npos) return "no host has such a name";
  const auto colon = text.find(':');
  if (!text.starts_with('[') && colon != text.npos && text.find(':', colon + 1) == text.npos &&
      is_port(text.substr(colon + 1))) {
    return "write a port as known_hosts has it: [host]:2222";
  }
  return {};
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

class RuleReader {
 public:
  RuleReader(ConfigReader& reader, const Setting& map) : reader_(reader), map_(map) {}

  SshRule read() {
    SshRule rule;
    rule.line = map_.at().line;
    rule.shed = criterion("shed");
    rule.server = criterion("server");
    rule.key = criterion("key");
    rule.destination = criterion("destination");
    rule.user = criterion("user");
    rule.sshsig_namespace = criterion("sshsig_namespace");
    if (rule.key) check("key", *rule.key, fingerprint_flaw(*rule.key));
    if (rule.destination) read_destination(*rule.destination);
    if (has_value("require_proof")) rule.require_proof = reader_.boolean(member("require_proof"));
    if (rule.require_proof && map_.node->find("destination") == nullptr) {
      problem("require_proof",
              "it is about a destination, and there is none; \"*\" is any host that known_hosts names");
    }
    read_action(rule);
    return rule;
  }

 private:
  Setting member(std::string_view key) const { return reader_.member(map_, key); }

  void problem(std::string_view key, std::string_view text) {
    const Setting setting = member(key);
    reader_.problems().add(setting.at(), "{}: {}", setting.path, text);
  }
  void check(std::string_view key, std::string_view value, std::string_view flaw) {
    if (!flaw.empty()) problem(key, fmt::format("\"{}\": {}", shown(value), flaw));
  }

  // A key without a value would otherwise count as absent, and the rule match more than was meant.
  bool has_value(std::string_view key,
                 std::string_view remedy = "give it one, or remove the key to match anything") {
    const Setting setting = member(key);
    if (setting.node == nullptr) return false;
    const bool empty = setting.node->kind == YamlNode::Kind::kNull ||
                       (setting.node->kind == YamlNode::Kind::kScalar && setting.node->text.empty());
    if (empty) problem(key, fmt::format("it has no value; {}", remedy));
    return !empty;
  }

  std::optional<std::string> criterion(std::string_view key) {
    if (!has_value(key)) return std::nullopt;
    auto value = reader_.text(member(key));
    if (value && value->size() > kMaxRuleText) {
      problem(key, fmt::format("longer than {} bytes", kMaxRuleText));
      return std::nullopt;
    }
    return value;
  }

  void read_destination(std::string& text) {
    if (is_fingerprint(text)) return check("destination", text, fingerprint_flaw(text));
    check("destination", text, host_flaw(text));
    text = lower(std::move(text));
  }

  void read_action(SshRule& rule) {
    const std::string choices = fmt::format("{}", fmt::join(kActions, ", "));
    const Setting setting = member("action");
    if (setting.node == nullptr) {
      reader_.problems().add(map_.at(), "{} has no action; give it one of {}", map_.path, choices);
    } else if (has_value("action", fmt::format("give it one of {}", choices))) {
      if (const auto action = reader_.choice(setting, kActions)) rule.action = kActionValues[*action];
    }
  }

  ConfigReader& reader_;
  const Setting& map_;
};

std::vector<SshRule> read_rules(ConfigReader& reader, const Setting& setting) {
  std::vector<SshRule> rules;
  if (setting.node == nullptr) return rules;
  if (setting.node->kind != YamlNode::Kind::kSequence) {
    reader.wrong_type(setting, "a list of rules such as [{ destination: github.com, action: allow }]");
    return rules;
  }
  const auto& items = setting.node->items;
  if (items.size() > kMaxSshRules) {
    reader.problems().add(items[kMaxSshRules].at, "more than {} rules in {}", kMaxSshRules, setting.path);
    return rules;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Setting map{&items[i], fmt::format("{}[{}]", setting.path, i + 1)};
    if (items[i].kind == YamlNode::Kind::kNull) reader.wrong_type(map, "a map with keys such as 'action'");
    if (!reader.section(map, kRuleKeys)) continue;
    rules.push_back(RuleReader(reader, map).read());
  }
  return rules;
}

std::optional<std::vector<std::string>> read_offer(ConfigReader& reader, const Setting& setting) {
  if (setting.node == nullptr) return std::nullopt;
  Problems& problems = reader.problems();
  if (!setting.present()) {
    problems.add(setting.at(), "{} has no value: [] offers no key, without {} all are offered", setting.path,
                 setting.path);
    return std::nullopt;
  }
  auto offer = reader.texts(setting);
  if (!offer) return std::nullopt;
  if (offer->size() > kMaxSshOffers) {
    problems.add(setting.at(), "more than {} keys in {}", kMaxSshOffers, setting.path);
  }
  for (const std::string& key : *offer) {
    const std::string_view flaw = fingerprint_flaw(key);
    if (!flaw.empty()) problems.add(setting.at(), "{} \"{}\": {}", setting.path, shown(key), flaw);
  }
  if (offer->empty() && setting.node->items.empty())
    problems.note(setting.at(), "{} is empty, so guests see no key", setting.path);
  return offer;
}

}  // namespace

SshAccess read_ssh_access(ConfigReader& reader, const Setting& ssh, Policy policy, std::string_view file) {
  const Setting rules = reader.member(ssh, kSshRulesKey);
  SshAccess access;
  access.rules = SshRules(read_rules(reader, rules), file);
  access.offer = read_offer(reader, reader.member(ssh, kSshOfferKey));
  if (reader.problems().empty()) review_ssh_rules(reader.problems(), rules, access, policy);
  return access;
}

}  // namespace shed::broker
