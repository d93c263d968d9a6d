#include "shed/broker/audit_log.h"

#include "broker/audit_trail.h"

namespace shed::broker {

void write_audit_fields(JsonWriter& json, const AuditRecord& record) {
  json.field_unless_empty("server", record.server)
      .field("shed", record.shed)
      .field("ns", record.ns)
      .field("op", record.op)
      .field("result", record.result)
      .field_unless_empty("detail", record.detail)
      .field_unless_empty("code", record.code)
      .field_unless_empty("reason", record.reason)
      .field("approval", record.approval)
      .field_unless_empty("decided_by", record.decided_by)
      .field_unless_empty("scope", record.scope)
      .field_unless_empty("ttl", record.ttl)
      .field_unless_empty("key", record.key)
      .field_unless_empty("subject", record.subject)
      .field_unless_empty("proof", record.proof)
      .field_unless_empty("rule", record.rule)
      .field_unless_empty("request_id", record.request_id)
      .field("duration_us", record.duration.count());
}

std::string format_audit_record(const AuditRecord& record) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().field("ts", format_rfc3339(record.ts));
  write_audit_fields(json, record);
  json.end_object();
  line += '\n';
  return line;
}

AuditLog::AuditLog(std::string path, const Clock& clock, AuditLimits limits) : path_(std::move(path)) {
  if (enabled()) trail_ = std::make_unique<AuditTrail>(path_, clock, limits);
}
AuditLog::AuditLog(AuditLog&&) noexcept = default;
AuditLog& AuditLog::operator=(AuditLog&&) noexcept = default;
AuditLog::~AuditLog() = default;

Status AuditLog::write(const AuditRecord& record) {
  if (enabled()) {
    if (const Status written = trail_->write(format_audit_record(record)); !written) return written;
  }
  if (observer_) observer_(record);
  return {};
}

Status AuditLog::check() {
  if (!enabled()) return {};
  return trail_->open();
}

}  // namespace shed::broker
