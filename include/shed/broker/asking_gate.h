// The gate that asks a person, and remembers what was granted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shed/async/event.h"
#include "shed/broker/grants.h"
#include "shed/broker/person.h"

namespace shed::broker {

// Like PolicyGate, but where the policy is shed-desktop, prompt or a biometric one a person decides. Denied
// with the reason code APPROVAL_DENIED, the cause and the remedy, when nobody can be asked, nobody answers in
// time, or whoever is asked goes away. In the record `approval` is how the person was asked
// (Person::method()) and cached for what a grant covers; `scope` and `ttl` are what came of the answer's, or,
// where an answer has none of its own, of the configuration's.
//
// While a question is open, another one for the same thing waits for its answer: a denial is for both, as is
// a yes that becomes a grant; after a yes for one request only the next one is asked. Each request ends
// within the time-out, counted from when it came.
//
// A scope of per-request in the configuration means that every request is asked, whatever an answer says.
class AskingGate : public PolicyGate {
 public:
  // How many of one guest's requests may wait for the answers to others.
  static constexpr std::size_t kMaxWaitingOfGuest = 64;

  struct Approvals {
    Approval ssh, aws, docker;
  };
  // Who is asked under which policy; a policy without its person denies.
  struct Persons {
    Person& approver;  // shed-desktop, and a rule's ask where the policy asks nobody
    Person* prompt = nullptr;
    Person* biometrics = nullptr;
    Person* biometrics_or_password = nullptr;
  };
  // Loop, persons and grants must outlive the gate and its tasks.
  AskingGate(async::Loop& loop, Persons persons, Grants& grants, Approvals approvals,
             Millis approval_timeout);

  async::Task<Decision> decide(ApprovalQuestion question) override;
  bool may_wait(Namespace ns) const override;
  // A person decides, or a grant, whatever the policy is.
  async::Task<Decision> ask(ApprovalQuestion question) override;
  // Of one guest, or of all with an empty name: grants end and open questions are denied. An empty server
  // means every one. How many grants there were.
  std::size_t end(std::string_view server, std::string_view shed, std::string_view reason);
  // All grants, as when the screen is locked; open questions stay.
  void end_all(std::string_view reason) { (void)grants_.end_all(reason); }

 private:
  class Pending;
  class Asker;
  class Waiting;
  struct Count {
    AskedFor asked;
    std::uint64_t times = 0;
  };

  std::shared_ptr<Pending> pending_for(const AskedFor& asked) const;
  std::size_t waiting_of(const AskedFor& asked) const;
  std::uint64_t count(const AskedFor& asked);
  // Null where the policy asks nobody.
  Person* person_of_policy(Namespace ns) const;
  Person& person(Namespace ns) const;
  async::Task<Decision> put_to_person(ApprovalQuestion question, AskedFor asked, std::uint64_t times,
                                      Millis limit);
  Decision accept(const AskedFor& asked, Person::Answer answer);

  async::Loop& loop_;
  Persons persons_;
  Grants& grants_;
  Millis timeout_;
  std::vector<std::shared_ptr<Pending>> pending_;
  std::vector<const AskedFor*> waiting_;
  std::vector<Count> counts_;
};

}  // namespace shed::broker
