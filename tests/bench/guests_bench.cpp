// What many guests cost the host half of the bus: two of them run, one with a single guest and one with a
// thousand, and this program plays all guests and the listener. Memory is what a guest adds; latency is from
// a guest's request over the listener to its answer, one at a time, another guest each time, in turns.
//
// On a busy machine a process may run two or three times slower than another one for as long as it lives,
// whichever of the two it is: so several pairs are started one after the other, all of them count, and the
// least and the greatest ratio are told beside the median.
//
//   guests_bench BINARY FOLDER      FOLDER: where the sockets go
#include <sched.h>

#include <string>

#include "played_guests.h"

namespace shed::bench {
namespace {

constexpr std::size_t kGuests = 1000;
constexpr std::size_t kPairs = 5;
constexpr std::size_t kRounds = 5;  // of each pair
constexpr std::size_t kWarmUpRounds = 1;

// The host agent of one bus.
class Listener {
 public:
  explicit Listener(const std::string& path) : events_(path), answers_(path) {
    events_.socket.write("GET /api/plugins/listeners/bench/messages HTTP/1.1\r\nhost: localhost\r\n\r\n");
    events_.expect("\r\n\r\n", "HTTP/1.1 200 ");
    events_.until(":\n\n");  // the comment that says that the listener is registered
  }

  // Answers the next request, which has to come from that guest.
  void answer(std::string_view name) {
    std::string_view event = events_.until("\n\n");
    while (event.find("data:") == event.npos) event = events_.until("\n\n");
    if (text_behind(event, R"("shed":{"name":")") != name) die(fmt::format("not from {}: {}", name, event));
    const std::string body = fmt::format(
        R"({{"id":"01890a5d-ac96-774b-bcce-b302099a8057","namespace":"bench","type":"response",)"
        R"("in_reply_to":"{}","final":true,"timestamp":"2026-01-01T00:00:00Z",)"
        R"("shed":{{"name":"{}","backend":"unix","server":"bench"}},)"
        R"("payload":{{"format":"ssh-ed25519","blob":"c2l4dHktZm91ciBieXRlcyBvZiBhIHNpZ25hdHVyZQ=="}}}})",
        text_behind(event, R"("id":")"), name);
    answers_.socket.write(
        fmt::format("POST /api/plugins/listeners/bench/respond HTTP/1.1\r\nhost: localhost\r\n"
                    "content-length: {}\r\n\r\n{}",
                    body.size(), body));
    answers_.expect("\r\n\r\n", "HTTP/1.1 204 ");
  }

 private:
  Reader events_, answers_;
};

// Microseconds from a guest's request to its answer.
double ask(Bus& bus, Listener& listener, std::size_t turn) {
  static std::uint64_t serial = 0;
  const std::string id = fmt::format("01890a5d-ac96-774b-bcce-{:012x}", ++serial);
  const std::string name = fmt::format("guest-{}", turn % bus.size());
  const std::string request = fmt::format(
      R"({{"id":"{}","namespace":"bench","type":"request","final":true,"timestamp":"2026-01-01T00:00:00Z",)"
      R"("payload":{{"operation":"sign","flags":0,"data":"dGhpcnR5LXR3byBieXRlcyB0aGF0IGFyZSBzaWduZWQ="}}}})",
      id);
  Guest& guest = bus.guest(turn);
  const auto start = Clock::now();
  guest.write(request);
  listener.answer(name);
  const std::string answer = guest.read();
  const double time = microseconds_since(start);
  if (text_behind(answer, R"("in_reply_to":")") != id) die(fmt::format("{} got {}", name, answer));
  return time;
}

double median_of_round(Bus& bus, Listener& listener) {
  bus.beat();
  std::vector<double> times;
  // 7 and the number of guests have no divisor in common: every guest has its turn, none after its neighbour.
  for (std::size_t i = 0; i < kGuests; ++i) times.push_back(ask(bus, listener, 7 * i));
  return median(std::move(times));
}

// One value for each pair.
struct Measured {
  std::vector<double> memory_idle, memory_used, latency_one, latency_many, ratio;
};

void compare(Bus& one, Bus& many, Measured& measured) {
  Listener listener_of_one(one.socket()), listener_of_many(many.socket());
  std::vector<double> alone, among, ratios;
  for (std::size_t round = 0; round < kWarmUpRounds + kRounds; ++round) {
    const double first = median_of_round(one, listener_of_one);
    const double second = median_of_round(many, listener_of_many);
    if (round < kWarmUpRounds) continue;
    alone.push_back(first);
    among.push_back(second);
    ratios.push_back(second / first);
  }
  measured.latency_one.push_back(median(std::move(alone)));
  measured.latency_many.push_back(median(std::move(among)));
  measured.ratio.push_back(median(std::move(ratios)));
}

double bytes_per_guest(const Bus& one, const Bus& many) {
  return (many.resident_bytes() - one.resident_bytes()) / static_cast<double>(many.size() - one.size());
}

void measure_pair(const char* binary, const std::string& folder, Measured& measured) {
  Bus one(binary, folder + "-one", 1), many(binary, folder + "-many", kGuests);
  measured.memory_idle.push_back(bytes_per_guest(one, many));
  compare(one, many, measured);
  // What a guest leaves behind that has asked.
  measured.memory_used.push_back(bytes_per_guest(one, many));
}

// This program and the buses on one core: on two of them a request costs 55 or 115 microseconds by where the
// system happens to put a bus, whatever the number of its guests.
void stay_on_one_core() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) die("sched_setaffinity");
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 3) die("usage: guests_bench BINARY FOLDER");
  stay_on_one_core();
  Measured measured;
  for (std::size_t pair = 0; pair < kPairs; ++pair) {
    measure_pair(argv[1], fmt::format("{}/{}", argv[2], pair), measured);
  }
  const auto [least, greatest] = std::ranges::minmax(measured.ratio);
  report("guests_memory_idle", median(measured.memory_idle));
  report("guests_memory_used", median(measured.memory_used));
  report("guests_latency_one", median(measured.latency_one));
  report("guests_latency_many", median(measured.latency_many));
  report("guests_latency_ratio", median(measured.ratio));
  report("guests_latency_ratio_least", least);
  report("guests_latency_ratio_greatest", greatest);
  return 0;
}
