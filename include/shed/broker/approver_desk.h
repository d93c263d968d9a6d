// What lies before the person who approves: questions, grants and events, as the host agent tells them over
// the approval channel (approval_channel.h), and the answers to it. No input or output: see ApproverClient.
//
// Every text is as it came, and a guest may have chosen it: make it visible before it is shown. Times of
// questions are by our own steady clock, from how long the host agent says that they are open.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/base/result.h"
#include "shed/broker/audit_reader.h"
#include "shed/broker/grants.h"

namespace shed::broker {

struct ApproverQuestion {
  std::string id;
  std::string ns, op, server, shed, detail, key_type, key, key_comment, subject, proof, request_id;
  std::string expires_at;   // as it was told
  std::uint64_t count = 0;  // how often this was asked; 0 when the host agent does not say
  SteadyTime end;

  // The widest scope that a yes may have, see Grants::scope_for(): kPerRequest for a namespace that is not
  // known.
  Scope scope_for(Scope wanted) const;
};

struct ApproverGrant {
  std::string id, ns, op, server, shed, key, subject, proof, scope, decided_by;
  std::uint64_t uses = 0;
  SteadyTime end;
};

struct ApproverEvent {
  std::string id;
  std::string request_id;
  AuditEntry entry;
};

enum class PersonsChoice { kDeny, kOnce, kSession, kGuest };

class ApproverDesk {
 public:
  static constexpr std::size_t kMaxQuestions = 128;  // as a host agent has at most; more are denied at once
  static constexpr std::size_t kMaxEvents = 500;     // the oldest is forgotten
  static constexpr std::size_t kMaxMuted = 64;       // guests; the one that would end first is heard again
  static constexpr Millis kMuteTime = std::chrono::minutes(5);
  static constexpr Millis kLongestQuestion = std::chrono::minutes(10);

  enum class Link { kAway, kConnected, kRefused };
  struct Mute {
    std::string server, shed;
    SteadyTime end;
  };

  // `person` is who decides, for the audit record. The clock must outlive the desk.
  ApproverDesk(const Clock& clock, std::string person) : clock_(clock), person_(std::move(person)) {}

  // The other side. `send` takes lines with their end, until lost(); it must not call back.
  void connected(std::function<void(std::string_view line)> send);
  // Errc::kProtocol for what no host agent sends: the connection is not worth keeping. kRefused when another
  // approver has taken over, or this one is not wanted.
  Status take(std::string_view line);
  // What was open is denied by the host agent.
  void lost(std::string_view why);

  Link link() const { return link_; }
  const std::string& why_away() const { return why_away_; }  // or refused; empty before the first attempt
  const std::string& agent_version() const { return agent_version_; }
  const std::vector<std::string>& gate_namespaces() const { return gate_namespaces_; }

  // Those that are open, oldest first. Valid until the next call of anything that is not const.
  const std::deque<ApproverQuestion>& questions();
  // How many have come so far that were put to the person: it grows with each.
  std::uint64_t asked() const { return asked_; }
  // False, and nothing is sent, when it is not open any more. `ttl` zero is what the configuration has.
  bool answer(std::string_view id, PersonsChoice choice, Millis ttl = Millis(0));
  // Denies this question and the others of its guest, and for kMuteTime those that come.
  bool deny_and_mute(std::string_view id);
  const std::vector<Mute>& muted();
  void unmute() { muted_.clear(); }

  // Asks for the list; it has come when grants_told() has grown.
  void list_grants();
  void revoke(std::string_view id);
  void revoke_all();
  const std::vector<ApproverGrant>& grants();
  std::uint64_t grants_told() const { return grants_told_; }

  const std::deque<ApproverEvent>& events() const { return events_; }  // oldest first
  const Clock& clock() const { return clock_; }

 private:
  Status greet(const struct AgentLine& line);
  void ask(ApproverQuestion question);
  void note(ApproverEvent event);
  void deny(const ApproverQuestion& question);
  bool is_muted(const ApproverQuestion& question);
  void send(std::string_view line);

  const Clock& clock_;
  std::string person_;
  std::function<void(std::string_view)> send_;
  Link link_ = Link::kAway;
  std::string why_away_, agent_version_;
  std::vector<std::string> gate_namespaces_;
  std::deque<ApproverQuestion> questions_;
  std::uint64_t asked_ = 0;
  std::vector<Mute> muted_;
  std::vector<ApproverGrant> grants_;
  std::uint64_t grants_told_ = 0;
  std::deque<ApproverEvent> events_;
};

}  // namespace shed::broker
