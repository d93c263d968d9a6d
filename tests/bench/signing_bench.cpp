// How long a signature takes over the signing proxy, beside the agent behind it, side by side:
//
//   signing_bench AGENT_SOCKET PORT
//
// Who asks the agent connects anew for each signature, as ssh-keygen does; who asks the proxy keeps its
// connection, and the proxy connects anew. The throughput of the agent is that over open connections.
#include <poll.h>

#include <charconv>
#include <string>

#include "agent.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 10;
constexpr int kSignsPerRound = 500;
constexpr int kWarmUp = 200;
constexpr int kThroughputRounds = 5;
constexpr std::chrono::milliseconds kThroughputTime{800};
constexpr std::size_t kClients = 16;
constexpr std::size_t kCommit = 250;  // bytes of an ordinary one
constexpr std::size_t kMaxReply = std::size_t{16} * 1024;

class Proxy {
 public:
  explicit Proxy(std::uint16_t port) : socket_(port) {
    limit_waiting(socket_.fd());
    request_ = fmt::format(
        "POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: {}\r\n\r\n",
        kCommit);
    head_ = request_.size();
    request_.append(kCommit, 'x');
  }

  int fd() const { return socket_.fd(); }
  // Another message each time.
  void ask() {
    const std::uint64_t word = random_();
    std::memcpy(request_.data() + head_, &word, sizeof word);
    socket_.write(request_);
  }
  void await_signature() {
    constexpr std::string_view kEnd = "-----END SSH SIGNATURE-----\n";
    reply_.clear();
    while (!reply_.ends_with(kEnd)) {
      std::array<char, 4096> bytes;
      reply_.append(bytes.data(), socket_.read_some(bytes));
      if (reply_.size() > kMaxReply || !reply_.starts_with("HTTP/1.1 200 ")) {
        die(fmt::format("the proxy answered: {}", reply_));
      }
    }
  }

 private:
  Socket socket_;
  std::string request_, reply_;
  std::size_t head_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
};

double time_direct(const std::string& path, SignRequests& requests) {
  const std::string& request = requests.next();
  const auto start = Clock::now();
  Agent agent(path);
  agent.ask(request);
  agent.await_signature();
  return microseconds_since(start);
}

double time_proxy(Proxy& proxy) {
  const auto start = Clock::now();
  proxy.ask();
  proxy.await_signature();
  return microseconds_since(start);
}

// The two take turns, so that whatever else the machine does meets both.
void measure_latency(const std::string& path, std::uint16_t port, SignRequests& requests) {
  Proxy proxy(port);
  std::vector<double> direct_p50, proxy_p50, proxy_p99, added;
  for (int i = 0; i < kWarmUp; ++i) {
    time_direct(path, requests);
    time_proxy(proxy);
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> direct_times, proxy_times;
    for (int i = 0; i < kSignsPerRound; ++i) {
      direct_times.push_back(time_direct(path, requests));
      proxy_times.push_back(time_proxy(proxy));
    }
    direct_p50.push_back(median(direct_times));
    proxy_p50.push_back(median(proxy_times));
    proxy_p99.push_back(percentile(proxy_times, 0.99));
    added.push_back(proxy_p50.back() - direct_p50.back());
  }
  report("http_direct_p50", median(direct_p50));
  report("http_p50", median(proxy_p50));
  report("http_p99", median(proxy_p99));
  report("http_added_p50", median(added));
}

// Each client has one request on its way at a time; `ask` sends a client's next one.
template <class Client, class Ask>
double signatures_per_second(std::vector<Client>& clients, Ask ask) {
  std::vector<pollfd> polled;
  for (Client& client : clients) polled.push_back({client.fd(), POLLIN, 0});
  std::size_t count = 0;
  const auto start = Clock::now();
  for (Client& client : clients) ask(client);
  while (Clock::now() - start < kThroughputTime) {
    if (::poll(polled.data(), polled.size(), -1) < 0) die_of_errno("poll");
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (polled[i].revents == 0) continue;
      clients[i].await_signature();
      ask(clients[i]);
      ++count;
    }
  }
  const double rate = static_cast<double>(count) / microseconds_since(start) * 1e6;
  for (Client& client : clients) client.await_signature();
  return rate;
}

void measure_throughput(const std::string& path, std::uint16_t port, SignRequests& requests) {
  std::vector<Agent> agents;
  std::vector<Proxy> proxies;
  for (std::size_t i = 0; i < kClients; ++i) {
    agents.emplace_back(path);
    proxies.emplace_back(port);
  }
  std::vector<double> direct_rates, proxy_rates, part;
  for (int round = 0; round < kThroughputRounds; ++round) {
    direct_rates.push_back(signatures_per_second(agents, [&](Agent& agent) { agent.ask(requests.next()); }));
    proxy_rates.push_back(signatures_per_second(proxies, [](Proxy& proxy) { proxy.ask(); }));
    part.push_back(proxy_rates.back() / direct_rates.back());
  }
  report("http_direct_rate", median(direct_rates));
  report("http_rate", median(proxy_rates));
  report("http_part", median(part));
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 3) die("usage: signing_bench AGENT_SOCKET PORT");
  const std::string_view text = argv[2];
  std::uint16_t port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  SignRequests requests(Agent(argv[1]).find_key());
  measure_latency(argv[1], port, requests);
  measure_throughput(argv[1], port, requests);
  return 0;
}
