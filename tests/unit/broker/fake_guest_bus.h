// A guest bus with a host behind it, for what asks it: answers each operation with the payload that the test
// says, with an HTTP error, or not at all.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/json.h"
#include "shed/bus/publisher.h"
#include "unit/net/net_fixture.h"

namespace shed::broker::testing {

class FakeGuestBus {
 public:
  explicit FakeGuestBus(std::string_view ns)
      : server([this](net::HttpExchange& exchange) { return serve(exchange); }),
        publisher(server.loop, *net::parse_url("http+unix://" + server.path + ":/v1/publish")),
        ns_(ns) {}

  std::size_t asked(std::string_view operation) const {
    return static_cast<std::size_t>(std::ranges::count(operations, operation));
  }

  std::map<std::string, std::string> answers;  // by operation; none: silence
  int status = 200;
  std::vector<std::string> operations;
  std::string last_body;
  net::TestServer server;
  bus::Publisher publisher;

 private:
  async::Task<> serve(net::HttpExchange& exchange) {
    JsonDocument document;
    const auto root = document.parse(exchange.body());
    const std::string operation((*root)["payload"]["operation"].string_or(""));
    operations.push_back(operation);
    last_body = exchange.body();
    const auto answer = answers.find(operation);
    if (answer == answers.end()) {
      co_await exchange.disconnected();
      co_return;
    }
    std::string body = answer->second;
    if (status == 200)
      body = fmt::format(R"({{"id":"1","namespace":"{}","type":"response","payload":{}}})", ns_, body);
    (void)co_await exchange.respond(status, "application/json", body);
  }

  std::string ns_;
};

}  // namespace shed::broker::testing
