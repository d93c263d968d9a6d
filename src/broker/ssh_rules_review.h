// What is odd about rules that are right by themselves.
#pragma once

#include "broker/config_reader.h"
#include "shed/broker/policy.h"
#include "shed/broker/ssh_rules.h"

namespace shed::broker {

// Notes each rule that can never act, that says the opposite of one before it, or that the policy makes moot.
// Says nothing wrong, but does not find all: it compares rules by twos. `list` is the list that they were
// read from, without any problem.
void review_ssh_rules(Problems& problems, const Setting& list, const SshAccess& access, Policy policy);

}  // namespace shed::broker
