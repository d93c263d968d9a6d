// Whom the host agent asks beside the approver on its channel: who the configuration's policies name.
#pragma once

#include <memory>

#include "shed/async/loop.h"
#include "shed/broker/asking_gate.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

class HostPersons {
 public:
  // The loop must outlive it. Those that no policy names are not made.
  HostPersons(async::Loop& loop, const HostConfig& config);

  // The approver must outlive what is made of these.
  AskingGate::Persons with(Person& approver) const;
  // Of the person that the policy names: why nobody can be asked, empty where somebody can be or where the
  // policy names nobody of these.
  std::string why_nobody(Policy policy) const;

 private:
  const Person* find(Policy policy) const;
  std::unique_ptr<Person> prompt_, biometrics_, biometrics_or_password_;
};

}  // namespace shed::broker
