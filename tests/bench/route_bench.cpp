// How often the bus asks the heap for memory while it routes: a process with nothing but the bus, whose
// allocations are counted, and this one, which is its guest and its listener with as many requests on their
// way as there are clients.
//
//   route_bench FOLDER      where the sockets go
//
// Linked with --wrap, so that the allocating functions of every object come here first.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <string>
#include <thread>

#include "measure.h"
#include "shed/bus/local_bus.h"

namespace {

// In memory that both processes see; null in the one that is not counted.
std::atomic<std::uint64_t>* counter = nullptr;

void count() {
  if (counter != nullptr) counter->fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t number, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_memalign(std::size_t alignment, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) { return count(), __real_malloc(size); }
void* __wrap_calloc(std::size_t number, std::size_t size) { return count(), __real_calloc(number, size); }
void* __wrap_realloc(void* memory, std::size_t size) { return count(), __real_realloc(memory, size); }
void* __wrap_memalign(std::size_t alignment, std::size_t size) {
  return count(), __real_memalign(alignment, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return count(), __real_aligned_alloc(alignment, size);
}
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  return count(), __real_posix_memalign(memory, alignment, size);
}
}

namespace shed::bench {
namespace {

constexpr std::size_t kClientCounts[] = {1, 16};
constexpr std::size_t kWarmUp = 1'000;  // requests, each with its answer
constexpr std::size_t kCounted = 10'000;
constexpr int kExtremes = 4;
constexpr std::chrono::milliseconds kRest{20};  // for the bus to finish what it does after its last answer
constexpr std::size_t kIdSize = 36;

net::Address socket_address(const std::string& folder, const char* name) {
  net::Address address;
  address.unix_path = folder + "/" + name;
  return address;
}

// Writes a byte once it listens; runs until it is killed, at the latest with the process that started it.
[[noreturn]] void run_bus(const std::string& folder, int ready, std::atomic<std::uint64_t>* shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  counter = shared;
  async::Loop loop;
  auto bus = bus::LocalBus::open(loop, socket_address(folder, "guest.sock"),
                                 socket_address(folder, "host.sock"), {});
  if (!bus) die(bus.error().text());
  if (::write(ready, "+", 1) != 1) die_of_errno("pipe");
  loop.block_on((*bus)->serve());
  die("the bus has stopped");
}

class BusProcess {
 public:
  BusProcess(const std::string& folder, std::atomic<std::uint64_t>* shared) {
    int ends[2];
    if (::pipe(ends) != 0) die_of_errno("pipe");
    child_ = ::fork();
    if (child_ < 0) die_of_errno("fork");
    if (child_ == 0) run_bus(folder, ends[1], shared);
    ::close(ends[1]);
    char byte = 0;
    if (::read(ends[0], &byte, 1) != 1) die("the bus did not start");
    ::close(ends[0]);
  }
  ~BusProcess() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  void pause() const {
    ::kill(child_, SIGSTOP);
    ::waitpid(child_, nullptr, WUNTRACED);
  }
  void resume() const { ::kill(child_, SIGCONT); }

 private:
  pid_t child_;
};

std::string post(std::string_view path, std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
      path, body.size(), body);
}

// A guest with some connections and the listener that answers it.
class Peers {
 public:
  Peers(const std::string& folder, std::size_t clients)
      : events_(folder + "/host.sock"), answers_(folder + "/host.sock") {
    events_.socket.write("GET /api/plugins/listeners/bench/messages HTTP/1.1\r\nhost: localhost\r\n\r\n");
    events_.expect("\r\n\r\n", "HTTP/1.1 200 ");
    events_.until(":\n\n");  // the comment that says that the listener is registered
    for (std::size_t i = 0; i < clients; ++i) guests_.emplace_back(folder + "/guest.sock");
    id_at_ = answer_.find("0000");
  }

  // Each client asks.
  void ask() {
    for (Reader& guest : guests_) guest.socket.write(request_);
  }
  // The listener answers them all.
  void answer() {
    for (std::size_t i = 0; i < guests_.size(); ++i) answer_next();
    for (Reader& guest : guests_) guest.expect("}}", "HTTP/1.1 200 ");
  }

 private:
  void answer_next() {
    constexpr std::string_view kBeforeId = R"("id":")";
    std::string_view event = events_.until("\n\n");
    while (event.find("data:") == event.npos) event = events_.until("\n\n");
    const auto id = event.find(kBeforeId);
    if (id == event.npos) die("an event without an id");
    event.substr(id + kBeforeId.size(), kIdSize).copy(answer_.data() + id_at_, kIdSize);
    answers_.socket.write(answer_);
    answers_.expect("\r\n\r\n", "HTTP/1.1 204 ");
  }

  const std::string request_ =
      post("/v1/publish",
           R"({"namespace":"bench","type":"request","payload":{"operation":"sign","public_key":)"
           R"("AAAAC3NzaC1lZDI1NTE5AAAAIHRoZSBwdWJsaWMga2V5IG9mIHRoZSBiZW5jaG1hcms=","flags":0,"data":)"
           R"("dGhpcnR5LXR3byBieXRlcyB0aGF0IGFyZSBzaWduZWQ="}})");
  std::string answer_ =
      post("/api/plugins/listeners/bench/respond",
           R"({"id":"01890a5d-ac96-774b-bcce-b302099a8057","namespace":"bench","type":"response",)"
           R"("in_reply_to":"00000000-0000-0000-0000-000000000000","final":true,)"
           R"("timestamp":"2025-01-01T00:00:00Z","shed":{"name":"local","backend":"local","server":""},)"
           R"("payload":{"format":"ssh-ed25519","blob":"c2l4dHktZm91ciBieXRlcyBvZiBhIHNpZ25hdHVyZQ=="}})");
  std::size_t id_at_ = 0;
  Reader events_, answers_;
  std::vector<Reader> guests_;
};

// Up to the extremes: everything under way at once, and nothing at all. How much memory each takes is known
// after it, and only then; buffers change places, so once is not enough.
void warm_up(const BusProcess& bus, Peers& peers) {
  for (int i = 0; i < kExtremes; ++i) {
    bus.pause();
    peers.ask();
    bus.resume();
    peers.answer();
    std::this_thread::sleep_for(kRest);
  }
}

void exchange(Peers& peers, std::size_t clients, std::size_t requests) {
  for (std::size_t done = 0; done < requests; done += clients) {
    peers.ask();
    peers.answer();
  }
}

void measure(const std::string& folder, std::size_t clients, std::atomic<std::uint64_t>* shared) {
  const BusProcess bus(folder, shared);
  Peers peers(folder, clients);
  warm_up(bus, peers);
  exchange(peers, clients, kWarmUp);
  const std::uint64_t before = *shared;
  if (before == 0) die("no allocation was counted, not even those of the start");
  const auto start = Clock::now();
  exchange(peers, clients, kCounted);
  report(fmt::format("route_time_{}", clients), microseconds_since(start) / kCounted);
  report(fmt::format("route_allocations_{}", clients), static_cast<double>(*shared - before));
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 2) die("usage: route_bench FOLDER");
  void* memory = ::mmap(nullptr, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die_of_errno("mmap");
  auto* shared = new (memory) std::atomic<std::uint64_t>(0);
  for (const std::size_t clients : kClientCounts) measure(argv[1], clients, shared);
  return 0;
}
