#include "shed/broker/kill_switch.h"

#include <algorithm>
#include <optional>

#include "shed/async/scope.h"
#include "shed/base/secret.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

constexpr std::string_view kCode = "HOST_PAUSED";
constexpr std::string_view kText = "the host is paused";
constexpr std::string_view kReason =
    "its owner has paused this guest; on the host 'shed-ext host resume' lets it go on";
constexpr std::string_view kEndedReason =
    "its owner has paused this guest while this was under way; on the host 'shed-ext host resume' lets it go "
    "on";

// One that existing guests know, and by which clients give up at once: a pull that needs no login goes on
// without one.
std::string_view code_for(Namespace ns, std::string_view op) {
  switch (ns) {
    case Namespace::kAws:
      return "ASSUME_ROLE_FAILED";
    case Namespace::kDocker:
      return op == "get" ? "REGISTRY_NOT_ALLOWED" : "INTERNAL_ERROR";
    case Namespace::kSsh:
      break;
  }
  return op == "sign" ? "SIGN_FAILED" : "INTERNAL_ERROR";
}

}  // namespace

std::string GuestSelection::text() const {
  const std::string who = shed.empty() ? "all guests" : shed;
  return server.empty() ? who : fmt::format("{} on {}", who, server);
}

Result<std::size_t> KillSwitch::pause(const GuestSelection& guests) {
  const bool is_held =
      std::ranges::any_of(pauses_, [&](const GuestSelection& pause) { return pause.covers(guests); });
  if (!is_held) {
    // There is always room for the pause of all.
    if (guests != GuestSelection() && pauses_.size() >= kMaxPauses)
      return fail(Errc::kLimit, "{} guests are paused one by one already; pause all of them", kMaxPauses);
    pauses_.push_back(guests);
  }
  return end(guests);
}

std::size_t KillSwitch::resume(const GuestSelection& guests) {
  return std::erase_if(pauses_, [&](const GuestSelection& pause) { return guests.covers(pause); });
}

const GuestSelection* KillSwitch::pause_of(std::string_view server, std::string_view shed) const {
  const auto found =
      std::ranges::find_if(pauses_, [&](const GuestSelection& pause) { return pause.covers(server, shed); });
  return found == pauses_.end() ? nullptr : &*found;
}

const GuestSelection* KillSwitch::pause_within(const GuestSelection& guests) const {
  const auto overlaps = [](const std::string& one, const std::string& other) {
    return one.empty() || other.empty() || one == other;
  };
  const auto found = std::ranges::find_if(pauses_, [&](const GuestSelection& pause) {
    return overlaps(pause.shed, guests.shed) && overlaps(pause.server, guests.server);
  });
  return found == pauses_.end() ? nullptr : &*found;
}

bool KillSwitch::has_seen(const GuestSelection& guests) const {
  return std::ranges::any_of(seen_, [&](const GuestId& id) { return guests.covers(id.server, id.shed); });
}

void KillSwitch::note(std::string_view server, std::string_view shed) {
  const GuestIdView id(server, shed);
  if (seen_.contains(id) || seen_.size() >= kMaxSeen) return;
  seen_.insert(GuestId(id));
}

std::size_t KillSwitch::end(const GuestSelection& guests) {
  std::size_t ended = 0;
  async::IntrusiveList<Work> rest;
  while (!work_.empty()) {
    Work& work = work_.front();
    rest.push_back(work);
    if (work.ended || !guests.covers(work.server, work.shed)) continue;
    work.ended = true;
    work.settled.set();
    ++ended;
  }
  while (!rest.empty()) work_.push_back(rest.front());
  return ended;
}

PauseGuard::PauseGuard(KillSwitch& kill_switch, RefusalLog& refusals, Namespace ns, std::string server_name,
                       std::unique_ptr<bus::RequestHandler> next)
    : switch_(kill_switch),
      refusals_(refusals),
      ns_(ns),
      server_name_(std::move(server_name)),
      next_(std::move(next)) {}

async::Task<std::string> PauseGuard::handle(bus::IncomingRequest request) {
  // What of it is needed when it has been ended; the payload goes to who answers it.
  const bus::IncomingRequest known{request.id, request.ns, {}, request.shed};
  const std::string_view server = server_of(known, server_name_);
  switch_.note(server, known.shed.name);
  if (is_ping(request, document_)) {
    auto ping = next_->handle(std::move(request));
    co_return co_await std::move(ping);
  }
  const std::string_view op = operation_of(request, document_);
  if (switch_.pause_of(server, known.shed.name) != nullptr) co_return refuse(known, op, kReason);

  std::optional<std::string> answer;
  KillSwitch::Work work(switch_.loop_, server, known.shed.name);
  switch_.work_.push_back(work);
  async::Scope scope(switch_.loop_);
  auto task = async::detail::store_and_signal(next_->handle(std::move(request)), answer, work.settled);
  scope.spawn(std::move(task));
  auto settled = work.settled.wait();
  co_await settled;
  if (!work.ended) co_return std::move(*answer);
  // Refused on purpose, also where the answer has just come: it has not left the host.
  if (answer) wipe(*answer);
  scope.cancel();
  co_return refuse(known, op, kEndedReason);
}

std::string PauseGuard::refuse(const bus::IncomingRequest& request, std::string_view op,
                               std::string_view reason) {
  refusals_.add(request, {ns_, op, server_of(request, server_name_), kCode, reason});
  return error_payload(kText, code_for(ns_, op), kCode, reason);
}

}  // namespace shed::broker
