// Session credentials for a guest: resolved, fetched once, kept until they are nearly used up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shed/async/scope.h"
#include "shed/aws/source.h"

namespace shed::aws {

// What a guest is given. The guest chooses none of it.
struct Grant {
  std::string server;  // empty where there is one only
  std::string shed;
  std::string profile;       // the source; empty: the SDKs' own order
  bool passthrough = false;  // the profile's own session credentials instead of a role's
  std::string role_arn;
  Millis session_duration = std::chrono::hours(1);
  Millis refresh_before = std::chrono::minutes(5);
  std::string external_id;
  std::string source_identity;
  std::string policy;
  std::vector<std::string> policy_arns;
  std::vector<std::pair<std::string, std::string>> tags;

  auto operator<=>(const Grant&) const = default;
};

using SharedCredentials = std::shared_ptr<const Credentials>;

// What the handler of the namespace needs; tests give it another.
class CredentialBackend {
 public:
  virtual ~CredentialBackend() = default;
  virtual async::Task<Outcome<SharedCredentials>> get(Grant grant) = 0;
  // When what is kept for it ends; nothing when nothing is kept.
  virtual std::optional<WallTime> cached_until(const Grant& grant) const = 0;
  // Forgets what is kept for a guest, or for all with an empty name; an empty server means every one. What is
  // being fetched meanwhile is given to those who wait for it, and not kept. How many sessions there were.
  virtual std::size_t forget(std::string_view server, std::string_view shed) = 0;
};

// The cache, one entry a grant (server, shed, role and all that shapes the session), never on disk.
//
// - Served from memory while more than the refresh margin is left: refresh_before, but 20 minutes (or
//   half the session, if that is less) at the least, because SDKs ask on every call for credentials that
//   have less than 15. A margin that is longer than the session is half of it.
// - One fetch at a time for a grant, however many ask; it goes on when some of them go away. Grants with
//   one profile share what is asked of it at the same moment.
// - A failure is remembered for kFailureMemory. Where what is there is still valid, that is the answer to
//   a failure, and to a fetch that takes longer than kPatience.
// - Once a guest has used an entry, it is refreshed ahead in the background, until one whole session has
//   passed without a use. A refresh that fails is tried again every 60 s while the old one lasts.
// - Nothing is served that has expired by the wall clock, which is looked at each time. The time that the
//   steady clock has measured counts as well: a clock that is set back makes no session longer.
// - What has no expiration is not kept.
// - Passthrough is read anew each time: never kept, but asked once for all who ask meanwhile.
//   Credentials without a session token are refused: Failure::Kind::kSource, code "LongLivedKeys". So is
//   every request where the grant has a session policy, which nobody would apply: code "ValidationError".
// - session_duration is clamped to 15 min..12 h, and to 1 h where the source is a session itself; a
//   warning says so once a grant.
// - At most kMaxEntries; the one used longest ago goes. At most kMaxFetches at a time; the next waits for
//   kMaxWait at most (code "Busy").
//
// A warning with Failure::detail tells of a refresh that failed while something valid was answered; a
// failure that is returned is the caller's to log.
class CredentialService : public CredentialBackend {
 public:
  static constexpr std::size_t kMaxEntries = 4096;
  static constexpr std::size_t kMaxFetches = 32;
  static constexpr Millis kFailureMemory{5'000};
  static constexpr Millis kPatience{2'000};  // a guest waits for 3 s
  static constexpr Millis kMaxWait{30'000};
  static constexpr Millis kRetryInterval{60'000};

  // Both must outlive it. Tasks of get() must be gone before it.
  CredentialService(async::Loop& loop, SourceResolver& sources, StsClient& sts);
  ~CredentialService() override;

  async::Task<Outcome<SharedCredentials>> get(Grant grant) override;
  std::optional<WallTime> cached_until(const Grant& grant) const override;
  std::size_t forget(std::string_view server, std::string_view shed) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shed::aws
