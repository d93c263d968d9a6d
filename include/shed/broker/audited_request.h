// What every handler does around the work itself: it asks the gate, and keeps one record of what came
// of it.
#pragma once

#include <string>
#include <string_view>

#include "shed/broker/approval.h"
#include "shed/broker/audit_log.h"
#include "shed/bus/listener_client.h"

namespace shed::broker {

// What every handler is told about the connection that its requests come by.
struct HandlerOptions {
  std::string server_name;  // empty where there is one only: then the bus says
  Millis approval_timeout{25'000};
};

// The server that a request came through: the name that the owner has given the connection, and only where
// it has none what the bus says. A bus that could choose it would get another server's roles and logins.
std::string_view server_of(const bus::IncomingRequest& request, std::string_view connection);

// Who asked, for a line in the log: "web", or "web on mini2".
std::string guest_name(const AuditRecord& record);

class AuditedRequest {
 public:
  // Clock and log must outlive it. `server_name` is that of the connection.
  AuditedRequest(const Clock& clock, AuditLog& log, const bus::IncomingRequest& request, Namespace ns,
                 std::string_view op, std::string_view server_name);

  // Asks the gate about what the record says so far; `detail` is for a person. What was decided stands in
  // the record then, as does a denial.
  async::Task<Decision> decide(ApprovalGate& gate, std::string detail);
  // The same with gate.ask().
  async::Task<Decision> ask(ApprovalGate& gate, std::string detail);
  // Puts a decision into the record, whoever made it.
  void decided(const Decision& decision);
  // Notes that it did not work.
  void failed(std::string_view code, std::string_view reason);
  // Writes the record, with the result `ok` unless it says otherwise. On an error, which is logged, nobody
  // may be given what the record is about.
  Status close();
  // The same, and returns the answer. When the record cannot be written the answer is wiped, and a refusal
  // with `code` takes its place.
  std::string finish(std::string answer, std::string_view code);

  AuditRecord record;
  std::string key_comment;  // for whoever decides; not in the record

 private:
  ApprovalQuestion question(std::string detail) const;

  const Clock& clock_;
  AuditLog& log_;
  Namespace ns_;
  SteadyTime start_;
};

}  // namespace shed::broker
