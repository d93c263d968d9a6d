// A host bus that the test plays, and a listener that is its client.
#pragma once

#include <functional>
#include <map>

#include "bus_fixture.h"
#include "shed/bus/listener_client.h"

namespace shed::bus {

// Answers requests with what the test says, once the gate is open.
class FakeHandler : public RequestHandler {
 public:
  explicit FakeHandler(async::Loop& loop) : gate(loop) { gate.set(); }
  async::Task<std::string> handle(IncomingRequest request) override {
    requests.push_back(request);
    if (request.payload != not_delayed) {
      auto wait = gate.wait();
      co_await wait;
    }
    co_return answer;
  }
  std::vector<IncomingRequest> requests;
  async::Event gate;
  std::string not_delayed;  // a payload that passes the gate
  std::string answer = R"({"status" : "ok"})";
};

// Section 4 of the protocol as a script: what subscribers are answered, and what they are sent. A
// status of 0 is no answer at all.
class FakeHostBus {
 public:
  struct Response {
    std::string path, authorization, content_type, body;
  };

  FakeHostBus()
      : server([this](net::HttpExchange& exchange) { return serve(exchange); },
               {.max_body = 4 * kMaxPublishBody}),
        changed_(server.loop) {}

  // Bytes for the stream that is open.
  void send(std::string_view bytes) {
    pending_ += bytes;
    wake();
  }
  void send_event(std::string_view envelope) { send(fmt::format("event: message\ndata: {}\n\n", envelope)); }
  void end_stream() {
    end_ = true;
    wake();
  }
  net::Url url() const { return *net::parse_url("unix://" + server.path); }

  int subscribe_status = 200;
  std::string subscribe_body;
  int respond_status = 204;
  int subscriptions = 0;
  std::map<std::string, std::string> subscribed;  // the request of the last one
  std::vector<Response> responses;
  net::TestServer server;

 private:
  void wake() {
    changed_.set();
    server.loop.poll();
  }

  async::Task<> serve(net::HttpExchange& exchange) {
    const bool post = exchange.method() == "POST";
    if (post) {
      responses.push_back({std::string(exchange.path()), std::string(exchange.header("authorization")),
                           std::string(exchange.header("content-type")), std::string(exchange.body())});
    } else {
      ++subscriptions;
      changed_.set();
      for (const char* name : {"accept", "authorization", "host"}) subscribed[name] = exchange.header(name);
      subscribed["path"] = exchange.path();
    }
    const int status = post ? respond_status : subscribe_status;
    if (status == 0) {
      co_await exchange.disconnected();
    } else if (!post && status == 200) {
      co_await stream(exchange, subscriptions);
    } else {
      (void)co_await exchange.respond(status, "application/json", post ? std::string_view{} : subscribe_body);
    }
  }

  // Until the test ends it, or another one takes its place.
  async::Task<> stream(net::HttpExchange& exchange, int number) {
    (void)co_await exchange.start_stream("text/event-stream");
    while (!end_ && number == subscriptions) {
      const std::string part = std::exchange(pending_, {});
      if (!part.empty()) {
        (void)co_await exchange.write(part);
        continue;
      }
      changed_.reset();
      auto change = changed_.wait();
      co_await change;
    }
    if (number == subscriptions) end_ = false;
  }

  std::string pending_;
  bool end_ = false;
  async::Event changed_;
};

inline std::string request_envelope(
    std::string_view id, std::string_view payload = R"({"operation" : "ping"})",
    std::string_view shed = R"({"name":"web","backend":"vz","server":"mini2"})") {
  return fmt::format(R"({{"id":"{}","namespace":"ssh-agent","type":"request","payload":{},"shed":{}}})", id,
                     payload, shed);
}

// The bus, the handler and the client between them, on the bus's loop.
struct ListenerFixture {
  explicit ListenerFixture(std::string token = {})
      : client(bus.server.loop, ListenerOptions{bus.url(), "", std::move(token)}, "ssh-agent", handler),
        tasks(bus.server.loop) {}
  void start() {
    tasks.spawn(client.run());
    bus.server.loop.poll();
  }
  void pass(Millis time) { bus.server.pass(time); }
  const ListenerState& state() const { return client.state(); }

  LogLines log;
  FakeHostBus bus;
  FakeHandler handler{bus.server.loop};
  ListenerClient client;
  async::Scope tasks;
};

}  // namespace shed::bus
