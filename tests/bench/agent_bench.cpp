// How long an SSH agent takes for Ed25519 signatures, directly and through the broker, side by side:
//
//   agent_bench DIRECT_SOCKET BROKER_SOCKET
//
// Messages of draft-ietf-sshm-ssh-agent: a length of four bytes, a type of one byte, then strings.
#include <poll.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include "measure.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 10;
constexpr int kSignsPerRound = 1000;
constexpr int kWarmUp = 300;
constexpr int kThroughputRounds = 5;
constexpr std::chrono::milliseconds kThroughputTime{800};
constexpr std::size_t kClientCounts[] = {1, 16, 64};

constexpr char kRequestIdentities = 11, kIdentitiesAnswer = 12, kSignRequest = 13, kSignResponse = 14;
constexpr std::size_t kMaxAnswer = std::size_t{64} * 1024;
constexpr std::size_t kChallenge = 32;

std::string number(std::size_t value) {
  const auto byte = [value](int shift) { return static_cast<char>(value >> shift); };
  return {byte(24), byte(16), byte(8), byte(0)};
}
std::string text(std::string_view value) { return number(value.size()).append(value); }

std::size_t take_number(std::string_view& from) {
  if (from.size() < 4) die("the agent's answer is too short");
  std::size_t value = 0;
  for (const char c : from.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  from.remove_prefix(4);
  return value;
}
std::string_view take_text(std::string_view& from) {
  const std::size_t length = take_number(from);
  if (from.size() < length) die("the agent's answer is too short");
  const std::string_view value = from.substr(0, length);
  from.remove_prefix(length);
  return value;
}

class Agent {
 public:
  explicit Agent(const std::string& path) : socket_(path) {}

  int fd() const { return socket_.fd(); }

  // The public key of the first Ed25519 identity.
  std::string find_key() {
    socket_.write(text({&kRequestIdentities, 1}));
    std::string_view rest = read_answer(kIdentitiesAnswer);
    for (std::size_t left = take_number(rest); left > 0; --left) {
      const std::string_view blob = take_text(rest);
      take_text(rest);  // the comment
      if (blob.starts_with(text("ssh-ed25519"))) return std::string(blob);
    }
    die("the agent has no Ed25519 key");
  }

  void ask(const std::string& sign_request) { socket_.write(sign_request); }
  void await_signature() { read_answer(kSignResponse); }

 private:
  // Valid until the next call.
  std::string_view read_answer(char type) {
    std::size_t have = 0;
    std::size_t want = 4;
    while (have < want) {
      have += socket_.read_some(std::span(answer_).subspan(have));
      if (have < 4) continue;
      std::string_view head(answer_.data(), 4);
      want = 4 + take_number(head);
      if (want > answer_.size()) die("the agent's answer is too long");
    }
    if (have != want || want < 5 || answer_[4] != type) {
      die(fmt::format("the agent answered with type {}", static_cast<int>(answer_[4])));
    }
    return {answer_.data() + 5, want - 5};
  }

  Socket socket_;
  std::vector<char> answer_ = std::vector<char>(kMaxAnswer);
};

// One after the other, each over other random bytes.
class SignRequests {
 public:
  explicit SignRequests(std::string_view key) {
    request_ =
        text(std::string(1, kSignRequest) + text(key) + text(std::string(kChallenge, '\0')) + number(0));
  }
  const std::string& next() {
    std::array<std::uint64_t, kChallenge / 8> challenge;
    for (std::uint64_t& word : challenge) word = random_();
    std::memcpy(request_.data() + request_.size() - 4 - kChallenge, challenge.data(), kChallenge);
    return request_;
  }

 private:
  std::string request_;
  std::mt19937_64 random_{std::random_device{}()};
};

double time_sign(Agent& agent, SignRequests& requests) {
  const std::string& request = requests.next();
  const auto start = Clock::now();
  agent.ask(request);
  agent.await_signature();
  return microseconds_since(start);
}

// One open connection each; the two take turns, so that whatever else the machine does meets both.
void measure_latency(const std::string& direct_path, const std::string& broker_path, SignRequests& requests) {
  Agent direct(direct_path);
  Agent broker(broker_path);
  std::vector<double> direct_p50, direct_p99, broker_p50, broker_p99, added;
  for (int i = 0; i < kWarmUp; ++i) {
    time_sign(direct, requests);
    time_sign(broker, requests);
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> direct_times, broker_times;
    for (int i = 0; i < kSignsPerRound; ++i) {
      direct_times.push_back(time_sign(direct, requests));
      broker_times.push_back(time_sign(broker, requests));
    }
    direct_p50.push_back(median(direct_times));
    direct_p99.push_back(percentile(direct_times, 0.99));
    broker_p50.push_back(median(broker_times));
    broker_p99.push_back(percentile(broker_times, 0.99));
    added.push_back(broker_p50.back() - direct_p50.back());
  }
  report("direct_p50", median(direct_p50));
  report("direct_p99", median(direct_p99));
  report("broker_p50", median(broker_p50));
  report("broker_p99", median(broker_p99));
  report("added_p50", median(added));
}

// Each client has one request on its way at a time.
double signatures_per_second(const std::string& path, std::size_t clients, SignRequests& requests) {
  std::vector<Agent> agents;
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < clients; ++i) {
    agents.emplace_back(path);
    time_sign(agents.back(), requests);
    polled.push_back({agents.back().fd(), POLLIN, 0});
  }
  std::size_t count = 0;
  const auto start = Clock::now();
  for (Agent& agent : agents) agent.ask(requests.next());
  while (Clock::now() - start < kThroughputTime) {
    if (::poll(polled.data(), polled.size(), -1) < 0) die_of_errno("poll");
    for (std::size_t i = 0; i < clients; ++i) {
      if (polled[i].revents == 0) continue;
      agents[i].await_signature();
      agents[i].ask(requests.next());
      ++count;
    }
  }
  const double rate = static_cast<double>(count) / microseconds_since(start) * 1e6;
  for (Agent& agent : agents) agent.await_signature();
  return rate;
}

void measure_throughput(const std::string& direct, const std::string& broker, SignRequests& requests) {
  for (const std::size_t clients : kClientCounts) {
    std::vector<double> direct_rates, broker_rates;
    for (int round = 0; round < kThroughputRounds; ++round) {
      direct_rates.push_back(signatures_per_second(direct, clients, requests));
      broker_rates.push_back(signatures_per_second(broker, clients, requests));
    }
    report(fmt::format("direct_rate_{}", clients), median(direct_rates));
    report(fmt::format("broker_rate_{}", clients), median(broker_rates));
  }
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 3) die("usage: agent_bench DIRECT_SOCKET BROKER_SOCKET");
  SignRequests requests(Agent(argv[1]).find_key());
  measure_latency(argv[1], argv[2], requests);
  measure_throughput(argv[1], argv[2], requests);
  return 0;
}
