// Which host a login is for, and how sure that is.
//
// A client tells its agent with session-bind@openssh.com (OpenSSH's PROTOCOL.agent, section 1) to which host
// each connection belongs: the server's host key has signed the session id, and the session id is in the data
// that the login signs. A guest sends what it likes, but it can make no such signature for a host key that it
// does not have: a proven login opens a server that has this host key, and no other. With a host's key it can
// prove any login that is not hostbound to be for that host, as every client of an agent can.
//
// A connection whose agent was forwarded has one bind for each hop, oldest first: every one but the last is a
// forwarding one, and the last is the destination.
#pragma once

#include <span>
#include <string_view>

#include "shed/ssh/signed_data.h"
#include "shed/ssh/types.h"

namespace shed::ssh {

enum class Proof {
  kUnknown,  // nothing names a host: no bind for this session, and not hostbound
  kClaimed,  // a host is named, by the data or by a bind for this session, and not proven
  kProven,
};

struct Destination {
  Proof proof = Proof::kUnknown;
  std::string_view host_key;  // a key or a certificate; empty when unknown
  // The hops in front of the destination, of a proven one only: each has signed a session of its own, but
  // that the sessions are stacked on one another is the guest's word.
  std::span<const SessionBind> hops;
  std::string_view note;  // when not proven: why, in a few words
};

// Unknown for what is no login. Proven, by the rules that OpenSSH's agent has for keys with destination
// constraints, when
//   - the last bind is for the session id in the data, and is no forwarding one,
//   - every bind in front of it is a forwarding one, and there are at most kMaxSessionBinds,
//   - every bind's signature verifies,
//   - a hostbound login names the last bind's host key, and with hops the login is hostbound.
// Session ids and order are looked at first. Each bind's signature then takes verify_session_bind()
// microseconds to milliseconds: not for a loop's thread. Views into `data`'s bytes and into `binds`.
Destination find_destination(const SignedData& data, std::span<const SessionBind> binds);

// Whether find_destination() would verify any signature: when not, it takes no time.
bool names_this_session(const SignedData& data, std::span<const SessionBind> binds);

}  // namespace shed::ssh
