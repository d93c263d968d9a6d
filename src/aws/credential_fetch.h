// Gets session credentials for a grant, without keeping any.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "flight.h"
#include "shed/async/event.h"
#include "shed/async/scope.h"
#include "shed/aws/credential_service.h"

namespace shed::aws {

// "mini2/web", or "web" where there is one server only: for messages.
std::string grant_name(const Grant& grant);

class CredentialFetch {
 public:
  CredentialFetch(async::Loop& loop, SourceResolver& sources, StsClient& sts)
      : loop_(loop), sources_(sources), sts_(sts), slot_free_(loop), tasks_(loop) {}

  // `told_of_clamping` must outlive the task; it is set when the warning has been written.
  async::Task<Outcome<SharedCredentials>> run(Grant grant, bool& told_of_clamping);

 private:
  using SharedSource = std::shared_ptr<const Source>;
  class Slot;

  async::Task<bool> wait_for_slot();
  async::Task<Outcome<SharedSource>> source(std::string profile);
  async::Task<> resolve(std::string profile, std::shared_ptr<Flight<SharedSource>> flight);
  async::Task<Outcome<SharedCredentials>> assume(Grant grant, SharedSource source, bool& told_of_clamping);
  AssumeRoleRequest request_for(const Grant& grant, bool chained, bool& told_of_clamping) const;
  Outcome<SharedCredentials> pass_through(SharedSource source) const;

  async::Loop& loop_;
  SourceResolver& sources_;
  StsClient& sts_;
  std::size_t running_ = 0;
  async::Event slot_free_;
  std::map<std::string, std::shared_ptr<Flight<SharedSource>>> sources_asked_;
  async::Scope tasks_;
};

}  // namespace shed::aws
