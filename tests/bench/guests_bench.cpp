// What many guests cost the host half of the bus: two of them run, one with a single guest and one with a
// thousand, and this program plays all guests and the listener. Memory is what a guest adds; latency is from
// a guest's request over the listener to its answer, one at a time, another guest each time, in turns.
//
// On a busy machine a process may run two or three times slower than another one for as long as it lives,
// whichever of the two it is: so several pairs are started one after the other, all of them count, and the
// least and the greatest ratio are told beside the median.
//
//   guests_bench BINARY FOLDER      FOLDER: where the sockets go
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "measure.h"

namespace shed::bench {
namespace {

constexpr std::size_t kGuests = 1000;
constexpr std::size_t kPairs = 5;
constexpr std::size_t kRounds = 5;  // of each pair
constexpr std::size_t kWarmUpRounds = 1;
constexpr std::chrono::seconds kHeartbeat{10};  // the bus takes 45 s of silence for the end
constexpr int kWaitLimit = 10;                  // seconds, for anything that is awaited
constexpr std::size_t kFrameHeader = 5;
constexpr std::size_t kIdSize = 36;
constexpr char kEnvelopeFrame = 0x20;

void limit_waiting(int fd) {
  const timeval limit{kWaitLimit, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

std::string frame(std::string_view payload) {
  std::string bytes(1, kEnvelopeFrame);
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(payload.size() >> shift);
  return bytes.append(payload);
}

// The text behind `before`, up to the quote.
std::string_view text_behind(std::string_view json, std::string_view before) {
  const auto at = json.find(before);
  if (at == json.npos) die(fmt::format("no {} in {}", before, json));
  json.remove_prefix(at + before.size());
  return json.substr(0, json.find('"'));
}

// A guest half: it listens, takes the one connection that comes, and says what it has to.
class Guest {
 public:
  explicit Guest(const std::string& path) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) die(path + ": the path is too long");
    path.copy(address.sun_path, path.size());
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 1) != 0) {
      die_of_errno(path);
    }
    limit_waiting(listener_.get());
  }

  void greet() {
    connection_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection_) die_of_errno("no bus has connected to a guest");
    limit_waiting(connection_.get());
    const std::string health = read();
    write(fmt::format(R"({{"id":"{0}","namespace":"system:health","type":"response","in_reply_to":"{0}",)"
                      R"("final":true,"timestamp":"2026-01-01T00:00:00Z","payload":null}})",
                      text_behind(health, R"("id":")")));
    beat();
  }
  void beat() {
    write(
        R"({"id":"01890a5d-ac96-774b-bcce-b302099a8057","namespace":"system:health","type":"event",)"
        R"("final":true,"timestamp":"2026-01-01T00:00:00Z","payload":{"started_at":"2026-01-01T00:00:00Z"}})");
  }
  void write(std::string_view envelope) {
    const std::string bytes = frame(envelope);
    if (::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      die_of_errno("the bus does not take a guest's frame");
    }
  }
  // The payload of the next frame.
  std::string read() {
    std::array<char, kFrameHeader> header;
    fill(header);
    std::size_t length = 0;
    for (const char byte : std::span(header).subspan(1))
      length = length << 8 | static_cast<unsigned char>(byte);
    if (header[0] != kEnvelopeFrame || length > 65536) die("the bus sent another frame than an envelope's");
    std::string payload(length, '\0');
    fill(payload);
    return payload;
  }

 private:
  void fill(std::span<char> into) {
    const ssize_t count = ::recv(connection_.get(), into.data(), into.size(), MSG_WAITALL);
    if (count < 0) die_of_errno("a guest waits for the bus");
    if (count != static_cast<ssize_t>(into.size())) die("the bus closed the connection to a guest");
  }

  UniqueFd listener_, connection_;
};

// `bus --host` with that many guests, all of them greeted.
class Bus {
 public:
  Bus(const char* binary, const std::string& folder, std::size_t guests) : folder_(folder) {
    if (::mkdir(folder_.c_str(), 0700) != 0) die_of_errno(folder_);
    std::string list;
    for (std::size_t i = 0; i < guests; ++i) {
      const std::string path = fmt::format("{}/{}", folder_, i);
      guests_.push_back(std::make_unique<Guest>(path));
      list += fmt::format("guest-{}=unix:{}\n", i, path);
    }
    write_file(folder_ + "/guests", list);
    start(binary);
    for (const auto& guest : guests_) guest->greet();
  }
  ~Bus() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  std::string socket() const { return folder_ + "/host.sock"; }
  std::size_t size() const { return guests_.size(); }
  Guest& guest(std::size_t number) { return *guests_[number % guests_.size()]; }

  void beat() {
    if (Clock::now() - last_beat_ < kHeartbeat) return;
    last_beat_ = Clock::now();
    for (const auto& guest : guests_) guest->beat();
  }

  double resident_bytes() const {
    std::FILE* file = std::fopen(fmt::format("/proc/{}/status", child_).c_str(), "r");
    if (file == nullptr) die_of_errno("/proc: status");
    char line[256];
    long kib = 0;
    while (std::fgets(line, sizeof line, file) != nullptr && std::sscanf(line, "VmRSS: %ld", &kib) != 1) {
    }
    std::fclose(file);
    if (kib == 0) die("the bus has ended");
    return static_cast<double>(kib) * 1024;
  }

 private:
  static void write_file(const std::string& path, std::string_view text) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      die_of_errno(path);
    }
  }

  // Its log goes nowhere: a line for each guest.
  void start(const char* binary) {
    const std::string listen = "unix:" + socket();
    const std::string list = folder_ + "/guests";
    child_ = ::fork();
    if (child_ < 0) die_of_errno("fork");
    if (child_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::open("/dev/null", O_RDWR), STDERR_FILENO);
    ::execl(binary, binary, "bus", "--host", "--listen", listen.c_str(), "--sheds", list.c_str(), "--server",
            "bench", nullptr);
    ::_exit(127);
  }

  std::string folder_;
  std::vector<std::unique_ptr<Guest>> guests_;
  pid_t child_ = -1;
  Clock::time_point last_beat_ = Clock::now();
};

// Bytes of a connection until and with `end`; those behind it are kept for the next call.
class Reader {
 public:
  explicit Reader(const std::string& path) : socket(path) { limit_waiting(socket.fd()); }

  std::string_view until(std::string_view end) {
    pending_.erase(0, used_);
    while ((used_ = pending_.find(end)) == pending_.npos) {
      std::array<char, 4096> bytes;
      pending_.append(bytes.data(), socket.read_some(bytes));
    }
    used_ += end.size();
    return std::string_view(pending_).substr(0, used_);
  }
  void expect(std::string_view end, std::string_view status) {
    const std::string_view answer = until(end);
    if (!answer.starts_with(status)) die(fmt::format("the bus answered: {}", answer));
  }

  Socket socket;

 private:
  std::string pending_;
  std::size_t used_ = 0;
};

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
