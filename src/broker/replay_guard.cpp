#include "shed/broker/replay_guard.h"

#include <algorithm>

#include "broker/audit_mac.h"
#include "shed/base/uuid.h"
#include "shed/broker/audited_request.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

constexpr std::string_view kDuplicate = "DUPLICATE_REQUEST";
constexpr std::string_view kInternal = "INTERNAL_ERROR";

// Neither a server's nor a guest's name can make another pair of the two.
std::string guest_key(std::string_view server, std::string_view shed) {
  return fmt::format("{}:{}{}", server.size(), server, shed);
}

Result<ReplayMemory::Digest> digest_of(const bus::IncomingRequest& request) {
  Sha256 hash;
  hash.update(request.ns);
  hash.update(std::string_view("\0", 1));
  hash.update(request.payload);
  return hash.finish();
}

bool is_off(std::string_view id, WallTime now) {
  const auto time = uuid7_time(id);
  if (!time) return false;
  return *time > now + ReplayMemory::kWindow || *time < now - ReplayMemory::kWindow;
}

// The work of a new entry: ended in any case, also when the task is dropped.
class Work {
 public:
  Work(ReplayMemory& memory, ReplayMemory::Entry& entry) : memory_(memory), entry_(entry) {}
  Work(const Work&) = delete;
  ~Work() {
    if (!entry_.done.is_set()) memory_.finish(entry_, {});
  }

 private:
  ReplayMemory& memory_;
  ReplayMemory::Entry& entry_;
};

class Waiting {
 public:
  explicit Waiting(ReplayMemory::Entry& entry) : entry_(entry) { ++entry_.waiting; }
  Waiting(const Waiting&) = delete;
  ~Waiting() { --entry_.waiting; }

 private:
  ReplayMemory::Entry& entry_;
};

}  // namespace

ReplayMemory::Admission ReplayMemory::admit(std::string_view server, const bus::IncomingRequest& request) {
  if (request.id.empty() || request.id.size() > kMaxId)
    return {nullptr, false, fmt::format("a request's id has 1 to {} bytes", kMaxId)};
  const auto digest = digest_of(request);
  if (!digest) return {nullptr, false, digest.error().text()};
  const std::string key = guest_key(server, request.shed.name);
  if (const auto guest = guests_.find(key); guest != guests_.end()) {
    const auto known = guest->second.by_id.find(request.id);
    if (known != guest->second.by_id.end()) {
      if (known->second->digest != *digest) return {nullptr, false, "another request had this id"};
      return {known->second, false, ""};
    }
  }
  if (is_off(request.id, loop_.clock().wall()))
    return {nullptr, false, "its id is more than 5 minutes off the host's time; set the clock of the guest"};
  if (ids_ >= kMaxIds && !make_room()) return {nullptr, false, "too many requests are worked on"};
  Guest& guest = guests_[key];
  guest.server = server;
  guest.shed = request.shed.name;
  auto entry = std::make_shared<Entry>(loop_, request.id, *digest);
  guest.by_id.emplace(entry->id, entry);
  guest.by_age.push_back(entry);
  ++ids_;
  if (!armed()) arm(kSweepInterval);
  return {std::move(entry), true, ""};
}

void ReplayMemory::finish(Entry& entry, std::string_view answer) {
  if (answer.size() <= kMaxAnswer) {
    entry.answer = Secret(answer);
    answer_bytes_ += answer.size();
  }
  entry.done.set();
  if (answer_bytes_ > kMaxAnswers) wipe_oldest_answers();
}

void ReplayMemory::forget_answers(std::string_view server, std::string_view shed) {
  for (auto& [key, guest] : guests_) {
    if (!shed.empty() && guest.shed != shed) continue;
    if (!server.empty() && guest.server != server) continue;
    for (const auto& entry : guest.by_age) drop_answer(*entry);
  }
}

void ReplayMemory::drop_answer(Entry& entry) {
  answer_bytes_ -= entry.answer.size();
  entry.answer = Secret();
}

void ReplayMemory::drop(Guest& guest, std::size_t at) {
  const std::shared_ptr<Entry> entry = guest.by_age[at];
  drop_answer(*entry);
  guest.by_id.erase(entry->id);
  guest.by_age.erase(guest.by_age.begin() + static_cast<std::ptrdiff_t>(at));
  --ids_;
}

bool ReplayMemory::make_room() {
  const auto fullest =
      std::ranges::max_element(guests_, {}, [](const auto& guest) { return guest.second.by_age.size(); });
  auto& entries = fullest->second.by_age;
  const auto oldest = std::ranges::find_if(entries, [](const auto& entry) { return entry->done.is_set(); });
  if (oldest == entries.end()) return false;
  drop(fullest->second, static_cast<std::size_t>(oldest - entries.begin()));
  if (entries.empty()) guests_.erase(fullest);
  return true;
}

// Down to three quarters of the bound, so that a flood does not pay for a search with every request.
void ReplayMemory::wipe_oldest_answers() {
  const auto kept = [](const auto& guest) {
    std::size_t bytes = 0;
    for (const auto& entry : guest.second.by_age) bytes += entry->answer.size();
    return bytes;
  };
  while (answer_bytes_ > kMaxAnswers / 4 * 3) {
    // Half of what the guest keeps that keeps most: a flood costs the others nothing.
    auto& fullest = *std::ranges::max_element(guests_, {}, kept);
    const std::size_t enough = answer_bytes_ - (kept(fullest) + 1) / 2;
    for (const auto& entry : fullest.second.by_age) {
      if (answer_bytes_ <= enough) break;
      drop_answer(*entry);
    }
  }
}

void ReplayMemory::on_due() {
  const SteadyTime now = loop_.clock().now();
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    auto& entries = guest->second.by_age;
    while (!entries.empty() && entries.front()->done.is_set() && now - entries.front()->seen >= kIdsKept)
      drop(guest->second, 0);
    for (const auto& entry : entries) {
      if (now - entry->seen < kAnswersKept) break;
      drop_answer(*entry);
    }
    guest = entries.empty() ? guests_.erase(guest) : std::next(guest);
  }
  if (ids_ > 0) arm(kSweepInterval);
}

ReplayGuard::ReplayGuard(ReplayMemory& memory, RefusalLog& refusals, Namespace ns, std::string server_name,
                         std::unique_ptr<bus::RequestHandler> next)
    : memory_(memory),
      refusals_(refusals),
      ns_(ns),
      server_name_(std::move(server_name)),
      next_(std::move(next)) {}

async::Task<std::string> ReplayGuard::handle(bus::IncomingRequest request) {
  ReplayMemory::Admission admission = memory_.admit(server_of(request, server_name_), request);
  if (!admission.entry) co_return refuse(request, admission.refusal);
  if (!admission.is_new) {
    auto again = answer_again(request, std::move(admission.entry));
    co_return co_await std::move(again);
  }
  const Work work(memory_, *admission.entry);
  auto handled = next_->handle(std::move(request));
  std::string answer = co_await std::move(handled);
  memory_.finish(*admission.entry, answer);
  co_return answer;
}

async::Task<std::string> ReplayGuard::answer_again(const bus::IncomingRequest& request,
                                                   std::shared_ptr<ReplayMemory::Entry> entry) {
  if (!entry->done.is_set()) {
    if (entry->waiting >= ReplayMemory::kMaxWaiting)
      co_return refuse(request, "it came too often while it is worked on");
    const Waiting waiting(*entry);
    auto done = entry->done.wait();
    co_await done;
  }
  // Refused on purpose: to work on it again could sign it twice.
  if (entry->answer.empty()) co_return refuse(request, "it was asked before, and its answer is not kept");
  co_return std::string(entry->answer.reveal());
}

std::string ReplayGuard::refuse(const bus::IncomingRequest& request, std::string_view reason) {
  JsonDocument document;
  refusals_.add(request,
                {ns_, operation_of(request, document), server_of(request, server_name_), kDuplicate, reason});
  return error_payload("request refused", kInternal, kDuplicate, reason);
}

}  // namespace shed::broker
