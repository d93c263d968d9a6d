#include "shed/broker/host_control.h"

#include "shed/base/log.h"

namespace shed::broker {
namespace {

std::string count_of(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// The command that undoes it, as it would be typed.
std::string resume_command(const GuestSelection& guests) {
  std::string command = "shed-ext host resume";
  if (!guests.shed.empty()) command += " --shed " + guests.shed;
  if (!guests.server.empty()) command += " --server " + guests.server;
  return command;
}

}  // namespace

std::string_view command_name(ControlRequest::Command command) {
  switch (command) {
    case ControlRequest::Command::kPause:
      return "pause";
    case ControlRequest::Command::kResume:
      return "resume";
    case ControlRequest::Command::kRevoke:
      break;
  }
  return "revoke";
}

Result<std::string> HostControl::run(const ControlRequest& request) {
  auto done = carry_out(request);
  if (!done) return done;
  const std::string outcome = done->substr(0, done->find('\n'));
  log::warning("host {}: {}", command_name(request.command), outcome);
  if (const Status written = record(request, outcome); !written) {
    log::error("audit log: {}; it does not have this {}", written.error().text(),
               command_name(request.command));
    *done +=
        fmt::format("\nthe audit log cannot be written, and does not have this: {}", written.error().text());
  }
  return done;
}

Result<std::string> HostControl::carry_out(const ControlRequest& request) {
  switch (request.command) {
    case ControlRequest::Command::kPause:
      return pause(request.guests);
    case ControlRequest::Command::kResume:
      return resume(request.guests);
    case ControlRequest::Command::kRevoke:
      break;
  }
  return revoke(request.guests);
}

Status HostControl::record(const ControlRequest& request, std::string_view outcome) {
  AuditRecord record;
  record.ts = clock_.wall();
  record.server = request.guests.server;
  record.shed = request.guests.shed.empty() ? "*" : request.guests.shed;
  record.ns = kControlNamespace;
  record.op = command_name(request.command);
  record.result = "ok";
  record.detail = outcome;
  return audit_.write(record);
}

Result<std::string> HostControl::pause(const GuestSelection& guests) {
  // In this order: what is dropped by the switch is not answered, nor recorded, as denied by the gate as
  // well.
  const auto ended = switch_.pause(guests);
  if (!ended) return propagate(ended);
  const std::size_t grants = gate_.end(guests.server, guests.shed, "its owner has paused this guest");
  return fmt::format("paused: {}; ended {} under way and {}\n{}until '{}', or a restart of the host agent",
                     guests.text(), count_of(*ended, "request", "requests"),
                     count_of(grants, "grant", "grants"), seen_note(guests), resume_command(guests));
}

std::string HostControl::resume(const GuestSelection& guests) {
  const std::size_t ended = switch_.resume(guests);
  const GuestSelection* const rest = switch_.pause_within(guests);
  if (rest != nullptr) {
    return fmt::format("{}: still paused by the pause of {}; resume with '{}'", guests.text(), rest->text(),
                       resume_command(*rest));
  }
  if (ended == 0) return fmt::format("{}: not paused, nothing to resume", guests.text());
  return fmt::format("resumed: {}", guests.text());
}

std::string HostControl::revoke(const GuestSelection& guests) {
  const std::size_t grants = gate_.end(guests.server, guests.shed, "its owner has revoked what was granted");
  const std::size_t sessions = credentials_ ? credentials_->forget(guests.server, guests.shed) : 0;
  for (const auto& memory : memories_) memory->forget_answers(guests.server, guests.shed);
  return fmt::format(
      "revoked: {}; ended {}, forgot {}\n{}what a guest has got already is good until it expires",
      guests.text(), count_of(grants, "grant", "grants"), count_of(sessions, "AWS session", "AWS sessions"),
      seen_note(guests));
}

std::string HostControl::seen_note(const GuestSelection& guests) const {
  if (guests.shed.empty() || switch_.has_seen(guests)) return {};
  return fmt::format("no guest {} has asked for anything yet; is the name right?\n", guests.text());
}

}  // namespace shed::broker
