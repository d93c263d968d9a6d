// What a person has said yes to for longer than one request.
//
// A grant never covers more than the person saw. It is for one guest on one server, one namespace and
// operation, and one object: the key of a signature, the role, the registry as it was named. Scopes:
//
//   per-request  this request and no other: nothing is remembered.
//   per-session  a session is a guest's work at one thing. The same again: the object and what is done with
//                it, such as `login git@github.com` whose host is proven. What cannot be recognised when it
//                comes again has no session: data that nobody can read, a login whose host is only claimed or
//                not named.
//   per-shed     a shed is the guest. Whatever it asks for that object: every login and commit with the key.
//
// A grant ends after its time, which is session_ttl at most, with the machine's sleep counted in, when it is
// revoked, when the screen is locked where the platform tells, and with the process: it lives in memory only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/broker/approval.h"

namespace shed::broker {

// By what one request is the same as another.
struct AskedFor {
  Namespace ns = Namespace::kSsh;
  std::string op, server, shed;
  std::string object;   // fingerprint of the key, the role, the registry
  std::string subject;  // what is signed; empty for the others
  std::string proof;

  bool operator==(const AskedFor&) const = default;
};
AskedFor asked_for(const ApprovalQuestion& question);

struct Grant {
  std::string id;
  AskedFor asked;
  Scope scope = Scope::kPerSession;
  Millis ttl{0};
  std::string decided_by;
  WallTime granted_at, ends_at;
  SteadyTime end;
  std::uint64_t uses = 0;  // requests that it answered, the first one not counted
};

class Grants {
 public:
  // Of all guests together; the oldest makes room, and its guest is asked about again.
  static constexpr std::size_t kMost = 128;
  // Bytes of one text that an approver is shown. Longer ones may differ where nobody has seen it.
  static constexpr std::size_t kShownWhole = 512;

  // The clock must outlive it.
  explicit Grants(const Clock& clock) : clock_(clock) {}

  // The widest scope of at most `wanted` that a yes to this may have, see above. Text that is too long to be
  // shown whole is not remembered.
  static Scope scope_for(const AskedFor& asked, Scope wanted);
  // `scope` is one that scope_for() has given, and not per-request; `ttl` is positive.
  void add(const AskedFor& asked, Scope scope, Millis ttl, std::string_view decided_by);
  // The grant that answers this, counted as used; null when there is none. Valid until the next call.
  const Grant* use(const AskedFor& asked);

  // Those in force, oldest first.
  const std::vector<Grant>& list();
  std::size_t size() const;
  // False when there is none of that id.
  bool revoke(std::string_view id);
  // Those of one guest, or of all with an empty name; an empty server means every server. How many ended.
  // `reason` is for the log.
  std::size_t end_guest(std::string_view server, std::string_view shed, std::string_view reason);
  // All of them, as when the screen is locked.
  std::size_t end_all(std::string_view reason);

 private:
  bool is_over(const Grant& grant) const;
  void forget_what_is_over();

  const Clock& clock_;
  std::vector<Grant> grants_;
};

}  // namespace shed::broker
