#include "shed/broker/policy.h"

#include <fmt/format.h>

#include <utility>

namespace shed::broker {

namespace {

constexpr std::pair<Policy, std::string_view> kPolicyNames[] = {
    {Policy::kDenyAll, "deny-all"},         {Policy::kApproveAll, "approve-all"},
    {Policy::kShedDesktop, "shed-desktop"}, {Policy::kPrompt, "prompt"},
    {Policy::kBiometrics, "biometrics"},    {Policy::kBiometricsOrPassword, "biometrics-or-password"},
};
constexpr std::pair<Scope, std::string_view> kScopeNames[] = {
    {Scope::kPerRequest, "per-request"},
    {Scope::kPerSession, "per-session"},
    {Scope::kPerShed, "per-shed"},
};

constexpr Policy kSshPolicies[] = {Policy::kDenyAll, Policy::kApproveAll, Policy::kShedDesktop,
                                   Policy::kPrompt,  Policy::kBiometrics, Policy::kBiometricsOrPassword};
// A question on this machine's sensor says nothing about which role or registry was meant.
constexpr Policy kCredentialPolicies[] = {Policy::kDenyAll, Policy::kApproveAll, Policy::kShedDesktop,
                                          Policy::kPrompt};

template <class T, std::size_t N>
std::string_view name_of(T value, const std::pair<T, std::string_view> (&names)[N]) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return {};
}

template <class T, std::size_t N>
std::optional<T> value_of(std::string_view text, const std::pair<T, std::string_view> (&names)[N]) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view namespace_name(Namespace ns) {
  switch (ns) {
    case Namespace::kSsh:
      return "ssh-agent";
    case Namespace::kAws:
      return "aws-credentials";
    case Namespace::kDocker:
      return "docker-credentials";
  }
  return {};
}

std::string_view section_name(Namespace ns) {
  switch (ns) {
    case Namespace::kSsh:
      return "ssh";
    case Namespace::kAws:
      return "aws";
    case Namespace::kDocker:
      return "docker";
  }
  return {};
}

std::string_view policy_name(Policy policy) { return name_of(policy, kPolicyNames); }
std::optional<Policy> parse_policy(std::string_view name) { return value_of(name, kPolicyNames); }

std::span<const Policy> allowed_policies(Namespace ns) {
  if (ns == Namespace::kSsh) return kSshPolicies;
  return kCredentialPolicies;
}

std::string_view scope_name(Scope scope) { return name_of(scope, kScopeNames); }
std::optional<Scope> parse_scope(std::string_view name) { return value_of(name, kScopeNames); }

std::string omitted_policy_reason(Namespace ns) {
  return fmt::format(
      "{0}.approval.policy is not set, so deny-all: "
      "add \"{0}: {{ approval: {{ policy: approve-all }} }}\" to extensions.yaml",
      section_name(ns));
}

std::vector<std::string_view> gate_namespaces(Policy ssh, Policy aws, Policy docker) {
  std::vector<std::string_view> names;
  if (ssh == Policy::kShedDesktop) names.push_back(namespace_name(Namespace::kSsh));
  if (aws == Policy::kShedDesktop) names.push_back(namespace_name(Namespace::kAws));
  if (docker == Policy::kShedDesktop) names.push_back(namespace_name(Namespace::kDocker));
  return names;
}

}  // namespace shed::broker
