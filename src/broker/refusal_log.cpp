#include "shed/broker/refusal_log.h"

#include "shed/broker/audited_request.h"

namespace shed::broker {

std::string_view operation_of(const bus::IncomingRequest& request, JsonDocument& document) {
  const auto payload = document.parse(request.payload);
  const std::string_view operation = payload ? (*payload)["operation"].string_or("") : "";
  for (const std::string_view known :
       {"sign", "list", "get", "get_credentials", "status", "ping", "store", "erase"}) {
    if (operation == known) return known;
  }
  return "unknown";
}

bool is_ping(const bus::IncomingRequest& request, JsonDocument& document) {
  if (request.payload.size() > kMaxPing) return false;
  const auto root = document.parse(request.payload);
  return root && (*root)["operation"].string_or("") == "ping";
}

RefusalLog::~RefusalLog() {
  for (auto& [id, guest] : guests_) {
    if (guest.not_told > 0) tell(guest);
  }
}

void RefusalLog::add(const bus::IncomingRequest& request, const Refusal& refusal) {
  GuestIdView id(refusal.server, request.shed.name);
  auto found = guests_.find(id);
  if (found == guests_.end()) {
    if (guests_.size() >= kMaxGuests) id = GuestIdView({}, {});
    found = guests_.try_emplace(GuestId(id)).first;
  }
  Guest& guest = found->second;
  AuditRecord& record = guest.last;
  record.server = refusal.server.substr(0, GuestIdView::kMaxName);
  record.shed = std::string_view(request.shed.name).substr(0, GuestIdView::kMaxName);
  record.ns = namespace_name(refusal.ns);
  record.op = refusal.op;
  record.result = "denied";
  record.code = refusal.code;
  record.reason = refusal.reason;
  record.request_id = std::string_view(request.id).substr(0, kMaxRequestId);
  limiter_.warning(
      fmt::format("{} {} {}", refusal.code, record.server, record.shed),
      fmt::format("{} {} for {}: refused: {}", record.ns, record.op, guest_name(record), refusal.reason));
  const bool is_first = guest.told == SteadyTime{};
  ++guest.not_told;
  if (is_first) tell(guest);
  if (!armed()) arm(kInterval);
}

void RefusalLog::tell(Guest& guest) {
  AuditRecord record = guest.last;
  record.ts = loop_.clock().wall();
  if (guest.not_told > 1) {
    record.reason = fmt::format("{}; one record for {} refused requests", record.reason, guest.not_told);
  }
  guest.told = loop_.clock().now();
  const Status written = audit_.write(record);
  if (written) {
    guest.not_told = 0;
  } else {
    limiter_.warning("audit log", fmt::format("audit log: {}", written.error().text()));
  }
}

void RefusalLog::on_due() {
  const SteadyTime now = loop_.clock().now();
  for (auto at = guests_.begin(); at != guests_.end();) {
    Guest& guest = at->second;
    const bool is_over = now - guest.told >= kInterval;
    if (is_over && guest.not_told == 0) {
      at = guests_.erase(at);
      continue;
    }
    if (is_over) tell(guest);
    ++at;
  }
  if (!guests_.empty()) arm(kInterval);
}

}  // namespace shed::broker
