#include "credential_fetch.h"

#include <algorithm>
#include <utility>

#include "check_credentials.h"
#include "failures.h"
#include "shed/base/log.h"

namespace shed::aws {

// A place among those that fetch, given back whichever way the fetch ends.
class CredentialFetch::Slot {
 public:
  explicit Slot(CredentialFetch& fetch) : fetch_(fetch) { ++fetch_.running_; }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    --fetch_.running_;
    fetch_.slot_free_.wake_all();
  }

 private:
  CredentialFetch& fetch_;
};

std::string grant_name(const Grant& grant) {
  return grant.server.empty() ? grant.shed : fmt::format("{}/{}", grant.server, grant.shed);
}

namespace {

// Whoever limits a guest's session must not get one without limits.
bool has_policy_without_effect(const Grant& grant) {
  return grant.passthrough && !(grant.policy.empty() && grant.policy_arns.empty());
}

std::unexpected<Failure> policy_without_effect() {
  return std::unexpected(
      Failure{Failure::Kind::kRefused, "ValidationError", kConfigurationMessage,
              "policy or policy_arns is configured for this guest, and passthrough cannot apply it: use mode "
              "assume-role, or configure no policy for guests with passthrough"});
}

}  // namespace

async::Task<Outcome<SharedCredentials>> CredentialFetch::run(Grant grant, bool& told_of_clamping) {
  if (has_policy_without_effect(grant)) co_return policy_without_effect();
  auto waiting = wait_for_slot();
  const bool free = co_await std::move(waiting);
  if (!free) {
    co_return std::unexpected(
        Failure{Failure::Kind::kUnavailable, "Busy", "the host has too much to do",
                fmt::format("{} other requests have been waiting for STS or a program for {}",
                            CredentialService::kMaxFetches, format_duration(CredentialService::kMaxWait))});
  }
  const Slot slot(*this);
  auto looking = source(grant.profile);
  auto found = co_await std::move(looking);
  if (!found) co_return std::unexpected(std::move(found.error()));
  if (grant.passthrough) co_return pass_through(std::move(*found));
  auto assuming = assume(std::move(grant), std::move(*found), told_of_clamping);
  co_return co_await std::move(assuming);
}

async::Task<bool> CredentialFetch::wait_for_slot() {
  const SteadyTime end = loop_.clock().now() + CredentialService::kMaxWait;
  while (running_ >= CredentialService::kMaxFetches) {
    const auto left = std::chrono::duration_cast<Millis>(end - loop_.clock().now());
    if (left <= Millis(0)) co_return false;
    auto freed = slot_free_.wait_for(left);
    const bool in_time = co_await freed;
    if (!in_time) co_return false;
  }
  co_return true;
}

// Grants of one profile that are due at the same time would start its program once each.
async::Task<Outcome<CredentialFetch::SharedSource>> CredentialFetch::source(std::string profile) {
  std::shared_ptr<Flight<SharedSource>> flight;
  if (const auto asked = sources_asked_.find(profile); asked != sources_asked_.end()) {
    flight = asked->second;
  } else {
    flight = std::make_shared<Flight<SharedSource>>(loop_);
    sources_asked_.emplace(profile, flight);
    tasks_.spawn(resolve(profile, flight));
  }
  auto landed = flight->done.wait();
  co_await landed;
  co_return *flight->result;
}

async::Task<> CredentialFetch::resolve(std::string profile, std::shared_ptr<Flight<SharedSource>> flight) {
  auto resolving = sources_.resolve(profile);
  auto resolved = co_await std::move(resolving);
  sources_asked_.erase(profile);
  if (resolved) {
    flight->land(std::make_shared<const Source>(std::move(*resolved)));
  } else {
    flight->land(std::unexpected(std::move(resolved.error())));
  }
}

Outcome<SharedCredentials> CredentialFetch::pass_through(SharedSource source) const {
  const Credentials& credentials = source->credentials;
  // AKIA is what AWS begins the ids of long-lived keys with: a stray token beside them changes nothing.
  if (!credentials.temporary() || credentials.access_key_id.starts_with("AKIA")) {
    return std::unexpected(Failure{Failure::Kind::kSource, "LongLivedKeys",
                                   "the host hands out no long-lived keys",
                                   "the profile has long-lived keys, or keys without a session token, which "
                                   "never leave this machine; use mode "
                                   "assume-role, or a profile with session credentials"});
  }
  if (expired(credentials, loop_.clock().wall())) {
    return source_expired(fmt::format("the profile's session credentials expired at {}",
                                      format_rfc3339(*credentials.expiration)));
  }
  return SharedCredentials(source, &credentials);
}

AssumeRoleRequest CredentialFetch::request_for(const Grant& grant, bool chained,
                                               bool& told_of_clamping) const {
  AssumeRoleRequest request;
  request.role_arn = grant.role_arn;
  request.session_name = session_name(grant.server, grant.shed, loop_.clock().wall());
  const Millis longest = chained ? kLongestChainedSession : kLongestSession;
  request.duration = std::clamp(grant.session_duration, kShortestSession, longest);
  request.external_id = grant.external_id;
  request.source_identity = grant.source_identity;
  request.policy = grant.policy;
  request.policy_arns = grant.policy_arns;
  request.tags = grant.tags;
  if (request.duration != grant.session_duration && !told_of_clamping) {
    told_of_clamping = true;
    log::warning("aws: {}: session_duration {} becomes {}: {}", grant_name(grant),
                 format_duration(grant.session_duration), format_duration(request.duration),
                 chained && request.duration < grant.session_duration
                     ? "STS gives no more to a source that has session credentials itself"
                     : "STS takes 15m to 12h");
  }
  return request;
}

async::Task<Outcome<SharedCredentials>> CredentialFetch::assume(Grant grant, SharedSource source,
                                                                bool& told_of_clamping) {
  auto request = request_for(grant, source->credentials.temporary(), told_of_clamping);
  auto assuming = sts_.assume_role(std::move(request), source->credentials, source->sts);
  auto credentials = co_await std::move(assuming);
  if (!credentials) co_return std::unexpected(std::move(credentials.error()));
  // Neither could be served: what has no token is no session, and the other is over.
  const bool over = expired(*credentials, loop_.clock().wall());
  if (over || !credentials->temporary()) {
    co_return std::unexpected(
        Failure{Failure::Kind::kUnavailable, "BadAnswer", "STS's answer cannot be used",
                fmt::format("sts:AssumeRole {}: {}", grant.role_arn,
                            over ? "the session has expired already by this machine's clock; is it right?"
                                 : "the answer has no session token")});
  }
  co_return std::make_shared<const Credentials>(std::move(*credentials));
}

}  // namespace shed::aws
