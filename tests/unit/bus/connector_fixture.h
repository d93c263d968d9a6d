// A GuestConnector whose guest is the test: what it dials is a descriptor here.
#pragma once

#include <deque>

#include "link_fixture.h"
#include "shed/bus/guest_connector.h"

namespace shed::bus {

// What happens when the connector dials.
struct DialScript {
  async::Loop& loop;
  Status failure;  // instead of a connection
  std::string token;
  int dialled = 0;
  std::deque<net::Peer> peers;  // the guest's end of each connection
};

class ScriptedDialer : public GuestDialer {
 public:
  explicit ScriptedDialer(DialScript& script) : script_(script) {}
  async::Task<Result<std::unique_ptr<net::Channel>>> dial() override {
    ++script_.dialled;
    if (!script_.failure) co_return propagate(script_.failure);
    auto ends = connection();
    script_.peers.emplace_back(script_.loop, std::move(ends.second));
    co_return net::plain_channel(async::Stream(script_.loop, std::move(ends.first)));
  }
  Result<Secret> token() override { return Secret(script_.token); }

 private:
  DialScript& script_;
};

constexpr std::string_view kRequestId = "0197f000-0000-7000-8000-000000000001";

inline std::string message(std::string_view id, std::string_view payload = "1",
                           std::string_view ns = "ssh-agent", std::string_view type = "request",
                           std::string_view more = "") {
  return fmt::format(R"({{"id":"{}","namespace":"{}","type":"{}","payload":{}{}}})", id, ns, type, payload,
                     more);
}

inline std::string heartbeat(std::string_view started_at) {
  return message("0197f000-0000-7000-8000-0000000000ff", fmt::format(R"({{"started_at":"{}"}})", started_at),
                 kHealthNamespace, "event");
}

inline std::string greeting_answer(std::string_view greeting) {
  return message("0197f000-0000-7000-8000-0000000000fe", "null", kHealthNamespace, "response",
                 fmt::format(R"(,"in_reply_to":"{}")", member(greeting, "id")));
}

// One guest on a host half; several of them may share a loop.
class TestConnector {
 public:
  TestConnector(async::Loop& loop, HostHalf& half, MessageReader& reader, std::string name)
      : script{loop, {}, {}, 0, {}},
        loop_(loop),
        connector(loop, half, reader, {std::move(name), "vsock", "mini2"},
                  std::make_unique<ScriptedDialer>(script)),
        task(loop) {}
  ~TestConnector() { task.cancel(); }

  void start() {
    task.spawn(connector.run());
    loop_.poll();
  }
  net::Peer& peer() { return script.peers.back(); }
  // What the guest has been sent.
  std::vector<std::string> received() { return frames_in(peer().received()); }
  void send(std::string_view envelope) { peer().send(frame_text(envelope)); }
  // The guest answers the greeting, which is returned.
  std::string answer_greeting() {
    const auto frames = received();
    REQUIRE(frames.size() == 1);
    send(greeting_answer(frames[0]));
    return frames[0];
  }
  // From the start to a guest that is connected.
  void connect() {
    start();
    answer_greeting();
    send(heartbeat("2026-03-31T15:00:00Z"));
  }

  DialScript script;

 private:
  async::Loop& loop_;

 public:
  GuestConnector connector;
  async::Scope task;
};

struct ConnectorFixture {
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  bool connected(const TestConnector& guest) const {
    return std::ranges::find(half.guests(), &guest.connector) != half.guests().end();
  }
  std::unique_ptr<HostHalf::Subscription> listen(std::string_view ns = "ssh-agent") {
    auto subscription = half.subscribe(ns);
    REQUIRE(subscription);
    return std::move(*subscription);
  }
  static std::vector<std::string> events(HostHalf::Subscription& listener) {
    Buffer batch;
    listener.take(batch);
    return events_in(batch.view());
  }
  Status respond(std::string_view text) {
    Buffer padded;
    padded.append(text);
    padded.spare(kJsonPadding);
    EnvelopeDecoder decoder;
    const auto envelope = decoder.decode(padded.view());
    REQUIRE(envelope);
    return half.respond(envelope->ns, *envelope, padded.view());
  }

  LogLines log;
  FakeClock clock;
  async::Loop loop{clock};
  HostHalf half{loop};
  MessageReader reader;
  TestConnector web{loop, half, reader, "web"};
  TestConnector db{loop, half, reader, "db"};
};

inline std::string answer_to(std::string_view id, std::string_view shed = "web") {
  return response_to(id, "ssh-agent", R"({ "status" : "ok" })",
                     fmt::format(R"({{"name":"{}","backend":"x","server":"mini2"}})", shed));
}

}  // namespace shed::bus
