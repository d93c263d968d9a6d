// `ssh.rules` and `ssh.offer` of extensions.yaml.
#pragma once

#include "broker/config_reader.h"
#include "shed/broker/policy.h"
#include "shed/broker/ssh_rules.h"

namespace shed::broker {

inline constexpr std::string_view kSshRulesKey = "rules";
inline constexpr std::string_view kSshOfferKey = "offer";

// From the map `ssh`. A rule that is wrong anywhere is a problem, never a rule with fewer criteria: it would
// match more than was meant. Notices say which rules can never act, and where the policy makes them moot.
SshAccess read_ssh_access(ConfigReader& reader, const Setting& ssh, Policy policy, std::string_view file);

}  // namespace shed::broker
