// The replay guard: a request is worked on once, however often the bus brings it.
//
// A guest's id names one request of it, whatever the namespace. What comes again under that id
// - with the same payload, while it is worked on: waits, and gets the same answer;
// - with the same payload, later: gets the same answer again, and nothing is signed twice;
// - with another payload, or when the answer is not kept any more: is refused.
// An id that is a version 7 UUID and tells a time more than kWindow from the host's is refused, unless it is
// known. Ids of other kinds, which other buses may use, have no time to look at.
//
// Ages are by the steady clock: setting the host's clock neither forgets an id nor keeps it longer. What a
// host bus that replays old requests could use is the host's clock set back by more than kWindow: an id that
// is forgotten has a good time again then.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shed/async/event.h"
#include "shed/base/secret.h"
#include "shed/broker/refusal_log.h"

namespace shed::broker {

// What was asked by one server's connection, shared by the guards of its namespaces.
class ReplayMemory : private async::Alarm {
 public:
  static constexpr Millis kWindow{300'000};
  // An id may tell a time kWindow ahead, and has a good time for two of them then.
  static constexpr Millis kIdsKept = 2 * kWindow;
  static constexpr Millis kAnswersKept = kWindow;
  // How often is looked for what is older than these: each may be kept that much longer.
  static constexpr Millis kSweepInterval{60'000};
  static constexpr std::size_t kMaxId = 128;
  // At this bound the guest with the most ids loses its oldest one that is not worked on: a flood costs the
  // guest that makes it its own protection, and nobody else's.
  static constexpr std::size_t kMaxIds = 8192;
  // Answers hold secrets. Beyond these they are not kept: the guest that keeps most loses its oldest
  // ones, and what asks for one of them again is refused.
  static constexpr std::size_t kMaxAnswer = 64 * 1024;
  static constexpr std::size_t kMaxAnswers = 8 * 1024 * 1024;
  // That wait for one request; the next is refused.
  static constexpr std::size_t kMaxWaiting = 8;

  using Digest = std::array<char, 32>;
  struct Entry {
    Entry(async::Loop& loop, std::string_view request_id, const Digest& content)
        : id(request_id), digest(content), seen(loop.clock().now()), done(loop) {}
    std::string id;
    Digest digest;
    SteadyTime seen;
    async::Event done;  // answered, or given up
    Secret answer;      // empty: not kept
    std::size_t waiting = 0;
  };
  struct Admission {
    std::shared_ptr<Entry> entry;
    bool is_new = false;
    std::string refusal;  // why not, for a person; empty: admitted
  };

  explicit ReplayMemory(async::Loop& loop) : Alarm(loop) {}

  // `server` as server_of() has it. A new entry stays as it is until finish().
  Admission admit(std::string_view server, const bus::IncomingRequest& request);
  // Keeps the answer and wakes those who wait for it. An empty one: the work was given up.
  void finish(Entry& entry, std::string_view answer);
  // Wipes the answers that are kept for a guest, or for all with an empty name; an empty server means every
  // one. What asks for one of them again is refused.
  void forget_answers(std::string_view server, std::string_view shed);

  std::size_t ids() const { return ids_; }
  std::size_t answer_bytes() const { return answer_bytes_; }

 private:
  struct Guest {
    std::string server, shed;
    std::deque<std::shared_ptr<Entry>> by_age;
    std::unordered_map<std::string_view, std::shared_ptr<Entry>> by_id;  // the names are the entries' own
  };
  using Guests = std::map<std::string, Guest, std::less<>>;

  void on_due() override;
  bool make_room();
  void wipe_oldest_answers();
  void drop_answer(Entry& entry);
  void drop(Guest& guest, std::size_t at);

  Guests guests_;
  std::size_t ids_ = 0;
  std::size_t answer_bytes_ = 0;
};

// In front of the handler of one namespace.
class ReplayGuard : public bus::RequestHandler {
 public:
  // Memory and log must outlive it.
  ReplayGuard(ReplayMemory& memory, RefusalLog& refusals, Namespace ns, std::string server_name,
              std::unique_ptr<bus::RequestHandler> next);
  async::Task<std::string> handle(bus::IncomingRequest request) override;

 private:
  async::Task<std::string> answer_again(const bus::IncomingRequest& request,
                                        std::shared_ptr<ReplayMemory::Entry> entry);
  // Recorded as denied. `code` is INTERNAL_ERROR for the guest, `reason_code` DUPLICATE_REQUEST.
  std::string refuse(const bus::IncomingRequest& request, std::string_view reason);

  ReplayMemory& memory_;
  RefusalLog& refusals_;
  Namespace ns_;
  std::string server_name_;
  std::unique_ptr<bus::RequestHandler> next_;
};

}  // namespace shed::broker
