// The approval channel from the approver's end: reads the lines of the host agent, writes those of the
// approver (approval_lines.h has the other end).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/broker/approver_desk.h"

namespace shed::broker {

struct AgentLine {
  enum class Kind { kHelloAck, kQuestion, kEvent, kPing, kGrants, kOther };
  Kind kind = Kind::kOther;
  // Of kHelloAck.
  bool accepted = false;
  std::string reason, version;
  std::vector<std::string> gate_namespaces;

  ApproverQuestion question;
  ApproverEvent event;
  std::vector<ApproverGrant> grants;
};

// `now` is when it came: from then on the times of questions count. Errc::kProtocol for what is no JSON
// object with a type, or lacks what its type needs. Texts are cut at kMaxText bytes, with a mark.
inline constexpr std::size_t kMaxText = 2048;
Result<AgentLine> read_agent_line(std::string_view line, SteadyTime now);

std::string hello_line(int replay_events);
std::string pong_line();
std::string answer_line(std::string_view id, PersonsChoice choice, Millis ttl, std::string_view person);
std::string list_grants_line();
// An empty id is for all of them.
std::string revoke_line(std::string_view id);

}  // namespace shed::broker
