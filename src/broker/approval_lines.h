// The lines of the approval channel, protocol.md section 9: one JSON object each, with its line end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/broker/approval.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/grants.h"

namespace shed::broker {

struct Hello {
  std::string name, version;
  std::int64_t pid = 0;
  std::size_t replay_events = 0;
};

struct PersonsAnswer {
  std::string request_id;  // the id of the line that asked
  bool approved = false;
  std::string decided_by;
  std::optional<Scope> scope;  // nothing when there is none, or none that is known
  std::optional<Millis> ttl;   // zero when it is none that can be: nothing is remembered then
};

// A line of the approver.
struct ApproverLine {
  // kRevoke is for one grant, or for all of them with an empty id. kOther: ignored, whatever it is.
  enum class Kind { kHello, kAnswer, kPong, kListGrants, kRevoke, kOther };
  Kind kind = Kind::kOther;
  Hello hello;
  PersonsAnswer answer;
  std::string grant;
};

// Errc::kProtocol for what is no JSON object with a type, or lacks what its type needs. Texts are cut to
// what a name needs.
Result<ApproverLine> read_approver_line(std::string_view line);

struct ChannelFacts {
  std::span<const std::string_view> namespaces, gate_namespaces;
  Millis request_timeout{0};
};

std::string hello_ack_line(const ChannelFacts& facts, WallTime now);
std::string superseded_line(WallTime now);
// Texts that are too long for a person are cut.
std::string question_line(std::string_view id, const ApprovalQuestion& question, std::uint64_t count,
                          WallTime now, WallTime expires_at);
std::string event_line(const AuditRecord& record);
std::string ping_line(WallTime now);
// As an array. `text` is what `json` writes into: the array ends early where it becomes too long for a line.
void write_grants(JsonWriter& json, const std::string& text, std::span<const Grant> grants);
std::string grants_line(std::span<const Grant> grants, WallTime now);

}  // namespace shed::broker
