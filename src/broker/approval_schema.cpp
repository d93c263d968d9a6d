#include "broker/approval_schema.h"

#include <algorithm>

namespace shed::broker {

namespace {

constexpr std::string_view kKeys[] = {"policy", "scope", "session_ttl", "enabled"};
constexpr std::string_view kScopes[] = {"per-request", "per-session", "per-shed"};

// What is written, before it is put together.
struct Written {
  Setting policy_setting;
  std::optional<Policy> policy;
  std::optional<Scope> older_policy;  // a scope where the policy stands today
  bool has_policy = false;            // also a wrong one
  std::optional<bool> enabled;
  std::optional<Scope> scope;
};

Policy asking_policy(Namespace ns) {
  return ns == Namespace::kSsh ? Policy::kBiometrics : Policy::kShedDesktop;
}

void unknown_policy(ConfigReader& reader, const Setting& setting, const std::string& name, Namespace ns) {
  std::vector<std::string_view> allowed;
  for (Policy policy : allowed_policies(ns)) allowed.push_back(policy_name(policy));
  const std::string remedy =
      parse_policy(name) ? std::string("; only ssh can use it") : did_you_mean(name, allowed);
  reader.problems().add(setting.at(), "{} \"{}\" is not one of {}{}", setting.path, shown(name),
                        fmt::join(allowed, ", "), remedy);
}

void read_policy(ConfigReader& reader, Written& written, Namespace ns) {
  const auto name = reader.text_unless_empty(written.policy_setting);
  if (!name) return;
  written.has_policy = true;
  written.older_policy = parse_scope(*name);
  if (written.older_policy) return;
  const auto policy = parse_policy(*name);
  const auto allowed = allowed_policies(ns);
  if (policy && std::ranges::find(allowed, *policy) != allowed.end()) {
    written.policy = policy;
  } else {
    unknown_policy(reader, written.policy_setting, *name, ns);
  }
}

std::optional<Scope> read_scope(ConfigReader& reader, const Setting& setting) {
  const auto chosen = reader.choice(setting, kScopes);
  return chosen ? parse_scope(kScopes[*chosen]) : std::nullopt;
}

void report_contradictions(ConfigReader& reader, const Written& written, const Setting& enabled) {
  Problems& problems = reader.problems();
  const bool approves = written.policy == Policy::kApproveAll;
  if (written.enabled == false && written.policy && !approves) {
    problems.add(enabled.at(), "{}: false means approve-all and contradicts policy {}; remove it",
                 enabled.path, policy_name(*written.policy));
  }
  if (written.enabled == true && approves) {
    problems.add(enabled.at(),
                 "{}: true means that a person is asked and contradicts policy approve-all; remove it",
                 enabled.path);
  }
  if (written.older_policy && written.scope && *written.older_policy != *written.scope) {
    problems.add(written.policy_setting.at(),
                 "{} {} is a scope and contradicts scope {}; keep one of the two",
                 written.policy_setting.path, scope_name(*written.older_policy), scope_name(*written.scope));
  }
}

}  // namespace

Approval read_approval(ConfigReader& reader, const Setting& setting, Namespace ns) {
  Approval approval;
  if (!reader.section(setting, kKeys)) return approval;
  Written written;
  written.policy_setting = reader.member(setting, "policy");
  const Setting enabled = reader.member(setting, "enabled");
  read_policy(reader, written, ns);
  written.enabled = reader.boolean(enabled);
  written.scope = read_scope(reader, reader.member(setting, "scope"));
  report_contradictions(reader, written, enabled);

  approval.session_ttl =
      reader.duration(reader.member(setting, "session_ttl")).value_or(approval.session_ttl);
  approval.scope = written.older_policy.value_or(written.scope.value_or(approval.scope));
  approval.omitted = !written.has_policy && !written.enabled;
  if (written.policy) {
    approval.policy = *written.policy;
  } else if (written.enabled == false) {
    approval.policy = Policy::kApproveAll;
  } else if (written.enabled == true || written.older_policy) {
    approval.policy = asking_policy(ns);
  }
  return approval;
}

}  // namespace shed::broker
