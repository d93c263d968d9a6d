#include "shed/ssh/destination.h"

#include <algorithm>

#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/verify.h"

namespace shed::ssh {
namespace {

// Why the last bind, which is for this session, is no proof; empty when it is one. What costs arithmetic
// comes last.
std::string_view flaw(const SignedData& data, std::span<const SessionBind> binds) {
  const SessionBind& last = binds.back();
  const auto hops = binds.first(binds.size() - 1);
  if (binds.size() > kMaxSessionBinds) return "too many binds";
  if (last.forwarding) return "the session is bound for forwarding";
  if (!std::ranges::all_of(hops, &SessionBind::forwarding))
    return "the agent was forwarded over a session for logins";
  // Without the host key in the data, a host on the way could have passed on a request of its own.
  if (!hops.empty() && !data.is_hostbound()) return "forwarded, and the login names no host";
  if (data.is_hostbound() && data.host_key != last.host_key) return "the session is bound to another host";
  if (!verify_session_bind(last)) return "the host key has not signed the session";
  const bool all_signed =
      std::ranges::all_of(hops, [](const SessionBind& hop) { return verify_session_bind(hop).has_value(); });
  return all_signed ? std::string_view() : "a host on the way has not signed its session";
}

Destination claimed(std::string_view host_key, std::string_view note) {
  return {host_key.empty() ? Proof::kUnknown : Proof::kClaimed, host_key, {}, note};
}

}  // namespace

bool names_this_session(const SignedData& data, std::span<const SessionBind> binds) {
  return data.is_login() && !binds.empty() && binds.back().session_id == data.session_id;
}

Destination find_destination(const SignedData& data, std::span<const SessionBind> binds) {
  if (!data.is_login()) return {};
  if (binds.empty()) return claimed(data.host_key, "the client has bound no session");
  // A bind of another session says nothing of this one, were it genuine.
  if (!names_this_session(data, binds)) return claimed(data.host_key, "the bind is of another session");
  const SessionBind& last = binds.back();
  if (const std::string_view why = flaw(data, binds); !why.empty()) {
    return claimed(data.is_hostbound() ? data.host_key : std::string_view(last.host_key), why);
  }
  return {Proof::kProven, last.host_key, binds.first(binds.size() - 1), {}};
}

}  // namespace shed::ssh
