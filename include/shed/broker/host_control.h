// What `shed-ext host pause|resume|revoke` do in the running host agent.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shed/aws/credential_service.h"
#include "shed/broker/asking_gate.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/kill_switch.h"
#include "shed/broker/replay_guard.h"

namespace shed::broker {

struct ControlRequest {
  enum class Command { kPause, kResume, kRevoke };
  Command command = Command::kPause;
  GuestSelection guests;
};
std::string_view command_name(ControlRequest::Command command);

class HostControl {
 public:
  using Memories = std::vector<std::unique_ptr<ReplayMemory>>;

  using Credentials = std::unique_ptr<aws::CredentialBackend>;

  // `credentials` holds nothing where AWS is not configured. All must outlive it.
  HostControl(const Clock& clock, AuditLog& audit, KillSwitch& kill_switch, AskingGate& gate,
              const Credentials& credentials, const Memories& memories)
      : clock_(clock),
        audit_(audit),
        switch_(kill_switch),
        gate_(gate),
        credentials_(credentials),
        memories_(memories) {}

  // In force when it returns, and in the audit log. What was done, in lines for a person. A log that cannot
  // be written holds up nothing, for what it could not say of a request is refused anyway: a line says so.
  // KillSwitch::pause() has the errors.
  Result<std::string> run(const ControlRequest& request);

 private:
  Result<std::string> carry_out(const ControlRequest& request);
  Status record(const ControlRequest& request, std::string_view outcome);
  Result<std::string> pause(const GuestSelection& guests);
  std::string resume(const GuestSelection& guests);
  std::string revoke(const GuestSelection& guests);
  std::string seen_note(const GuestSelection& guests) const;

  const Clock& clock_;
  AuditLog& audit_;
  KillSwitch& switch_;
  AskingGate& gate_;
  const Credentials& credentials_;
  const Memories& memories_;
};

}  // namespace shed::broker
