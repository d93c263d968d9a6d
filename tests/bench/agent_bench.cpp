// How long an SSH agent takes for Ed25519 signatures, directly and through the broker, side by side:
//
//   agent_bench DIRECT_SOCKET BROKER_SOCKET
#include <poll.h>

#include <string>

#include "agent.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 10;
constexpr int kSignsPerRound = 1000;
constexpr int kWarmUp = 300;
constexpr int kThroughputRounds = 5;
constexpr std::chrono::milliseconds kThroughputTime{800};
constexpr std::size_t kClientCounts[] = {1, 16, 64};

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
