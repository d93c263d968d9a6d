// How long `GET /credentials` takes with the host's cache warm, and one request on the bus alone:
//
//   aws_bench ENDPOINT_PORT TOKEN BUS_SOCKET
#include <poll.h>

#include <charconv>
#include <string>

#include "measure.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 10;
constexpr int kRequestsPerRound = 1000;
constexpr int kWarmUp = 300;
constexpr int kThroughputRounds = 5;
constexpr std::chrono::milliseconds kThroughputTime{800};
constexpr std::size_t kClientCounts[] = {1, 16, 64};
constexpr std::size_t kMaxAnswer = std::size_t{64} * 1024;
constexpr std::string_view kPayload =
    R"({"namespace":"aws-credentials","type":"request","payload":{"operation":"get_credentials"}})";

// One HTTP connection that is kept alive.
class Connection {
 public:
  explicit Connection(Socket socket) : socket_(std::move(socket)) {}
  int fd() const { return socket_.fd(); }
  void ask(std::string_view request) { socket_.write(request); }

  // The whole answer, which must be a good one with this text in it.
  void await(std::string_view text) {
    std::size_t have = 0;
    std::size_t want = kMaxAnswer;
    while (have < want) {
      have += socket_.read_some(std::span(answer_).subspan(have));
      const std::string_view head(answer_.data(), have);
      const auto end = head.find("\r\n\r\n");
      if (end != head.npos) want = end + 4 + content_length(head.substr(0, end));
      if (want > answer_.size()) die("the answer is too long");
    }
    const std::string_view answer(answer_.data(), have);
    if (have != want || !answer.starts_with("HTTP/1.1 200 ") || answer.find(text) == answer.npos)
      die(fmt::format("not the answer that was expected: {}", answer.substr(0, 400)));
  }

 private:
  static std::size_t content_length(std::string_view head) {
    constexpr std::string_view kName = "content-length: ";
    std::size_t length = 0;
    const auto at = head.find(kName);
    if (at == head.npos) die("an answer without content-length");
    const std::string_view digits = head.substr(at + kName.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), length);
    return length;
  }

  Socket socket_;
  std::vector<char> answer_ = std::vector<char>(kMaxAnswer);
};

// A server and what is asked of it.
struct Target {
  std::uint16_t port = 0;
  std::string path;  // of a unix socket, where it is not empty
  std::string request;
  std::string_view expected;

  Connection connect() const { return Connection(path.empty() ? Socket(port) : Socket(path)); }
};

double time_request(Connection& connection, const Target& target) {
  const auto start = Clock::now();
  connection.ask(target.request);
  connection.await(target.expected);
  return microseconds_since(start);
}

void measure_latency(std::string_view name, const Target& target) {
  Connection connection = target.connect();
  for (int i = 0; i < kWarmUp; ++i) time_request(connection, target);
  std::vector<double> p50, p99;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> times;
    for (int i = 0; i < kRequestsPerRound; ++i) times.push_back(time_request(connection, target));
    p50.push_back(median(times));
    p99.push_back(percentile(times, 0.99));
  }
  report(fmt::format("{}_p50", name), median(p50));
  report(fmt::format("{}_p99", name), median(p99));
}

// Each client has one request on its way at a time.
double requests_per_second(const Target& target, std::size_t clients) {
  std::vector<Connection> connections;
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < clients; ++i) {
    connections.push_back(target.connect());
    time_request(connections.back(), target);
    polled.push_back({connections.back().fd(), POLLIN, 0});
  }
  std::size_t count = 0;
  const auto start = Clock::now();
  for (Connection& connection : connections) connection.ask(target.request);
  while (Clock::now() - start < kThroughputTime) {
    if (::poll(polled.data(), polled.size(), -1) < 0) die_of_errno("poll");
    for (std::size_t i = 0; i < clients; ++i) {
      if (polled[i].revents == 0) continue;
      connections[i].await(target.expected);
      connections[i].ask(target.request);
      ++count;
    }
  }
  const double rate = static_cast<double>(count) / microseconds_since(start) * 1e6;
  for (Connection& connection : connections) connection.await(target.expected);
  return rate;
}

void measure_throughput(const Target& target) {
  for (const std::size_t clients : kClientCounts) {
    std::vector<double> rates;
    for (int round = 0; round < kThroughputRounds; ++round)
      rates.push_back(requests_per_second(target, clients));
    report(fmt::format("get_rate_{}", clients), median(rates));
  }
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 4) die("usage: aws_bench ENDPOINT_PORT TOKEN BUS_SOCKET");
  const Target endpoint{
      static_cast<std::uint16_t>(std::atoi(argv[1])), "",
      fmt::format("GET /credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {}\r\n\r\n", argv[2]),
      "\"AccessKeyId\""};
  const Target bus{
      0, argv[3],
      fmt::format("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
                  "content-length: {}\r\n\r\n{}",
                  kPayload.size(), kPayload),
      "\"access_key_id\""};
  measure_latency("bus", bus);
  measure_latency("get", endpoint);
  measure_throughput(endpoint);
  return 0;
}
