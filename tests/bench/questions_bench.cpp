// What open questions cost the guests that are not asked about: two host agents run, each behind a
// `bus --host` of its own. At one of them a hundred signatures wait for an approver that is there and does
// not answer, at the other none. One more guest of each, which a rule allows, signs one after the other, in
// turns.
//
//   questions_bench BINARY FOLDER AGENT KEY      FOLDER: where the sockets go; AGENT: the socket of an SSH
//                                                agent; KEY: the public key that signs, base64
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "agent.h"
#include "played_guests.h"
#include "shed/base/base64.h"
#include "shed/base/clock.h"
#include "shed/base/uuid.h"

namespace shed::bench {
namespace {

constexpr std::size_t kQuestions = 100;
constexpr std::size_t kQuestionsOfGuest = 8;  // ApprovalChannel::kMaxOpenOfGuest
constexpr std::size_t kAskingGuests = (kQuestions + kQuestionsOfGuest - 1) / kQuestionsOfGuest;
constexpr std::size_t kRounds = 9;
constexpr std::size_t kWarmUpRounds = 1;
constexpr std::size_t kSignsPerRound = 1000;
constexpr std::size_t kSigner = 0;  // the guest that a rule allows

constexpr std::string_view kConfig = R"(server: "unix://{}"
approval_timeout: 1h
ssh:
  rules:
    - {{ shed: guest-{}, action: allow }}
    - {{ action: ask }}
  approval: {{ policy: deny-all }}
limits: off
logging: {{ path: "{}" }}
)";

// Connected, and silent but for what keeps it connected.
class Approver {
 public:
  explicit Approver(const std::string& path) : lines_(path) {
    lines_.socket.write(
        "{\"type\":\"hello\",\"client\":{\"name\":\"bench\",\"version\":\"1\",\"pid\":1},"
        "\"capabilities\":[],\"replay_events\":0}\n");
    if (lines_.until("\n").find(R"("accepted":true)") == std::string_view::npos)
      die("the approver is not taken");
  }
  void await_question() {
    while (!is(next(), "approval_request")) {
    }
  }
  // Reads what is there, so that nothing piles up, and answers pings.
  void stay() {
    char byte = 0;
    while (::recv(lines_.socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) next();
  }

 private:
  static bool is(std::string_view line, std::string_view type) {
    return text_behind(line, R"("type":")") == type;
  }
  std::string_view next() {
    const std::string_view line = lines_.until("\n");
    if (is(line, "ping")) lines_.socket.write("{\"type\":\"pong\"}\n");
    return line;
  }

  Reader lines_;
};

// A bus with its guests, the host agent behind it, and an approver.
class World {
 public:
  World(const char* binary, const std::string& folder, std::string agent, std::string_view key,
        std::size_t questions)
      : key_(key), bus_(binary, folder, 1 + kAskingGuests), host_(start_host(binary, folder, agent)) {
    await_host();
    approver_.emplace(folder + "/host/host-agent.sock");
    for (std::size_t i = 0; i < questions; ++i) {
      bus_.guest(1 + i / kQuestionsOfGuest).write(request());
      approver_->await_question();
    }
  }

  // Microseconds of each signature.
  std::vector<double> sign(std::size_t count) {
    approver_->stay();
    bus_.beat();
    std::vector<double> times;
    for (std::size_t i = 0; i < count; ++i) {
      const auto start = Clock::now();
      const std::string answer = ask();
      times.push_back(microseconds_since(start));
      if (answer.find(R"("blob":")") == answer.npos) die("no signature: " + answer);
    }
    return times;
  }

 private:
  std::vector<std::string> start_host(const char* binary, const std::string& folder,
                                      const std::string& agent) {
    write_file(folder + "/extensions.yaml",
               fmt::format(fmt::runtime(kConfig), bus_.socket(), kSigner, folder + "/audit.log"));
    if (::mkdir((folder + "/host").c_str(), 0700) != 0) die_of_errno(folder);
    ::setenv("SSH_AUTH_SOCK", agent.c_str(), 1);
    ::setenv("SHED_HOST_AGENT_SOCKET_DIR", (folder + "/host").c_str(), 1);
    return {binary, "host", "--config", folder + "/extensions.yaml"};
  }
  // Until it listens on the bus a guest is refused.
  void await_host() {
    for (int i = 0; i < kWaitLimit * 100; ++i) {
      if (ask().find(R"("blob":")") != std::string::npos) return;
      ::usleep(10'000);
    }
    die("the host agent does not sign");
  }

  std::string ask() {
    bus_.guest(kSigner).write(request());
    return bus_.guest(kSigner).read();
  }
  // A file's signature in a namespace of its own: no two are the same for the replay guard, nor for whoever
  // is asked.
  std::string request() {
    const Uuid id = make_uuid7(system_clock().wall());
    const std::string data = "SSHSIG" + text(fmt::format("bench-{}", ++requests_)) + text("") +
                             text("sha512") + text(std::string(64, 'd'));
    return fmt::format(
        R"({{"id":"{}","namespace":"ssh-agent","type":"request","final":true,"timestamp":"2026-01-01T00:00:00Z",)"
        R"("payload":{{"operation":"sign","public_key":"{}","data":"{}","flags":0}}}})",
        id.view(), key_, base64_encode(data));
  }

  std::uint64_t requests_ = 0;
  std::string key_;
  Bus bus_;
  Child host_;
  std::optional<Approver> approver_;
};

void measure(World& none, World& open) {
  std::vector<double> none_p99, open_p99, ratios;
  for (std::size_t round = 0; round < kWarmUpRounds + kRounds; ++round) {
    const double first = percentile(none.sign(kSignsPerRound), 0.99);
    const double second = percentile(open.sign(kSignsPerRound), 0.99);
    if (round < kWarmUpRounds) continue;
    none_p99.push_back(first);
    open_p99.push_back(second);
    ratios.push_back(second / first);
  }
  const auto [least, greatest] = std::ranges::minmax(ratios);
  report("questions_none_p99", median(none_p99));
  report("questions_open_p99", median(open_p99));
  report("questions_ratio", median(ratios));
  report("questions_ratio_least", least);
  report("questions_ratio_greatest", greatest);
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 5) die("usage: questions_bench BINARY FOLDER AGENT KEY");
  const std::string folder = argv[2];
  World none(argv[1], folder + "/none", argv[3], argv[4], 0);
  World open(argv[1], folder + "/open", argv[3], argv[4], kQuestions);
  measure(none, open);
  return 0;
}
