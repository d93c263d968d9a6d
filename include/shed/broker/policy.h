// Who decides about a request: the policies of protocol.md section 7 and what each namespace may use.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"

namespace shed::broker {

enum class Namespace { kSsh, kAws, kDocker };
inline constexpr Namespace kNamespaces[] = {Namespace::kSsh, Namespace::kAws, Namespace::kDocker};

std::string_view namespace_name(Namespace ns);  // on the bus: "ssh-agent"
std::string_view section_name(Namespace ns);    // in the configuration: "ssh"

enum class Policy {
  kDenyAll,
  kApproveAll,
  kShedDesktop,           // ask whoever is connected to the approval channel
  kPrompt,                // (ours) ask on this machine's screen: SSH_ASKPASS or pinentry
  kBiometrics,            // ssh only
  kBiometricsOrPassword,  // ssh only
};

std::string_view policy_name(Policy policy);
// The exact name; nothing for any other text, the empty one included.
std::optional<Policy> parse_policy(std::string_view name);
std::span<const Policy> allowed_policies(Namespace ns);

// How long one yes counts.
enum class Scope { kPerRequest, kPerSession, kPerShed };

std::string_view scope_name(Scope scope);
std::optional<Scope> parse_scope(std::string_view name);

// `<section>.approval` as it is in force.
struct Approval {
  Policy policy = Policy::kDenyAll;
  bool omitted = true;  // nothing was written, so deny-all: tell the operator and the guest
  Scope scope = Scope::kPerSession;
  Millis session_ttl = std::chrono::hours(4);
};

// For the start-up line and for the guest whose request is denied:
// `ssh.approval.policy is not set, so deny-all: add "ssh: { approval: { policy: approve-all } }" to
// extensions.yaml`
std::string omitted_policy_reason(Namespace ns);

// Names of the namespaces that ask over the approval channel, in the order ssh, aws, docker.
std::vector<std::string_view> gate_namespaces(Policy ssh, Policy aws, Policy docker);

}  // namespace shed::broker
