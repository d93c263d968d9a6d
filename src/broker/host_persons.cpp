#include "shed/broker/host_persons.h"

#include <algorithm>

#include "shed/broker/biometrics.h"
#include "shed/broker/prompt.h"

namespace shed::broker {
namespace {

bool names(const HostConfig& config, Policy policy) {
  return std::ranges::any_of(kNamespaces, [&](Namespace ns) { return config.approval(ns).policy == policy; });
}

}  // namespace

HostPersons::HostPersons(async::Loop& loop, const HostConfig& config) {
  if (names(config, Policy::kPrompt)) prompt_ = make_prompt(loop);
  if (names(config, Policy::kBiometrics)) biometrics_ = make_biometrics(loop, false);
  if (names(config, Policy::kBiometricsOrPassword)) biometrics_or_password_ = make_biometrics(loop, true);
}

AskingGate::Persons HostPersons::with(Person& approver) const {
  return {approver, prompt_.get(), biometrics_.get(), biometrics_or_password_.get()};
}

const Person* HostPersons::find(Policy policy) const {
  if (policy == Policy::kPrompt) return prompt_.get();
  if (policy == Policy::kBiometrics) return biometrics_.get();
  return policy == Policy::kBiometricsOrPassword ? biometrics_or_password_.get() : nullptr;
}

std::string HostPersons::why_nobody(Policy policy) const {
  const Person* const person = find(policy);
  return person == nullptr ? std::string() : person->why_nobody();
}

}  // namespace shed::broker
