// What the tests of this room share: a bus on sockets of a temporary folder, peers that speak HTTP to
// it byte by byte, and fakes for what stands on either side of a half.
#pragma once

#include <catch2/catch.hpp>
#include <charconv>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shed/base/json.h"
#include "shed/bus/local_bus.h"
#include "shed/net/event_stream.h"
#include "support/fake_clock.h"
#include "support/log_lines.h"
#include "unit/net/net_fixture.h"

namespace shed::bus {

using namespace std::chrono_literals;

inline std::string http_get(std::string_view path, std::string_view headers = "Host: localhost\r\n") {
  return fmt::format("GET {} HTTP/1.1\r\n{}\r\n", path, headers);
}
inline std::string http_post(std::string_view path, std::string_view body,
                             std::string_view headers = "Host: localhost\r\n") {
  return fmt::format("POST {} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{}", path, headers, body.size(), body);
}

// One answer with a body of a length that is told.
struct Answer {
  int status = 0;  // 0: nothing, or not the whole of it, has come
  std::string head;
  std::string body;

  std::string error_code() const {
    JsonDocument document;
    const auto root = document.parse(body);
    return root ? std::string((*root)["error"]["code"].string_or("")) : "";
  }
  // {"error":{"code","message"}}, and nothing else.
  bool is_error(int wanted, std::string_view code) const {
    JsonDocument document;
    const auto root = document.parse(body);
    if (!root || root->members().size() != 1 || (*root)["error"].members().size() != 2) return false;
    return status == wanted && error_code() == code && !(*root)["error"]["message"].string_or("").empty() &&
           head.find("content-type: application/json\r\n") != head.npos;
  }
};

inline Answer parse_answer(std::string_view text) {
  Answer answer;
  const auto end = text.find("\r\n\r\n");
  if (end == text.npos || text.size() < 12) return answer;
  answer.head = text.substr(0, end + 2);
  answer.body = text.substr(end + 4);
  std::from_chars(text.data() + 9, text.data() + 12, answer.status);
  return answer;
}

inline Answer ask(net::Peer& peer, std::string_view request) { return parse_answer(peer.ask(request)); }

// What comes on an event stream: the parts of a chunked body, joined.
class StreamReader {
 public:
  explicit StreamReader(net::Peer& peer) : peer_(peer) {}

  // What has come since the last call, without the answer's head.
  std::string received() {
    raw_ += peer_.received();
    if (head.empty()) {
      const auto end = raw_.find("\r\n\r\n");
      if (end == raw_.npos) return {};
      head = raw_.substr(0, end + 2);
      raw_.erase(0, end + 4);
    }
    std::string text;
    while (take_chunk(text)) {
    }
    return text;
  }
  std::string head;

 private:
  bool take_chunk(std::string& text) {
    const auto line = raw_.find("\r\n");
    if (line == raw_.npos) return false;
    std::size_t size = 0;
    std::from_chars(raw_.data(), raw_.data() + line, size, 16);
    if (raw_.size() < line + 2 + size + 2) return false;
    text.append(raw_, line + 2, size);
    raw_.erase(0, line + 2 + size + 2);
    return size > 0;
  }
  net::Peer& peer_;
  std::string raw_;
};

// The data of the events in a piece of an event stream; comments are left out.
inline std::vector<std::string> events_in(std::string_view stream) {
  net::EventStreamReader reader;
  reader.input().append(stream);
  std::vector<std::string> events;
  for (;;) {
    const auto event = reader.next();
    REQUIRE(event);
    if (!*event) return events;
    events.emplace_back(**event);
  }
}

inline std::string member(std::string_view json, std::string_view name) {
  JsonDocument document;
  const auto root = document.parse(json);
  REQUIRE(root);
  return std::string((*root)[name].string_or(""));
}

// A response envelope as a listener writes it.
inline std::string response_to(
    std::string_view id, std::string_view ns, std::string_view payload,
    std::string_view shed = R"({"name":"web","backend":"local","server":"mini2"})") {
  return fmt::format(
      R"({{"id":"r-{0}","namespace":"{1}","type":"response","in_reply_to":"{0}","payload":{2},"shed":{3}}})",
      id, ns, payload, shed);
}

// A guest bus and a host bus in one, with the guest "web" on the server "mini2".
class TestBus {
 public:
  TestBus() : tasks_(loop) {
    auto opened = LocalBus::open(loop, net::unix_at(folder / "guest.sock"),
                                 net::unix_at(folder / "host.sock"), {"web", "mini2"});
    REQUIRE(opened);
    bus = std::move(*opened);
    tasks_.spawn(bus->serve());
    loop.poll();
  }
  ~TestBus() { tasks_.cancel(); }

  net::Peer guest() { return net::Peer(loop, folder / "guest.sock"); }
  net::Peer host() { return net::Peer(loop, folder / "host.sock"); }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }
  void stop_serving() { tasks_.cancel(); }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  std::unique_ptr<LocalBus> bus;

 private:
  async::Scope tasks_;
};

// A listener that has subscribed.
class TestListener {
 public:
  TestListener(TestBus& bus, std::string_view ns) : peer(bus.host()), stream_(peer) {
    peer.send(http_get(fmt::format("/api/plugins/listeners/{}/messages", ns)));
    CHECK(stream_.received() == ":\n\n");
  }
  std::string received() { return stream_.received(); }
  // The one message that has come.
  std::string message() {
    const auto messages = events_in(received());
    REQUIRE(messages.size() == 1);
    return messages.front();
  }
  const std::string& head() const { return stream_.head; }
  net::Peer peer;

 private:
  StreamReader stream_;
};

// The host, as a GuestHalf sees it: takes what it is given, or refuses.
class FakeUplink : public Uplink {
 public:
  struct Sent {
    std::string id, ns, payload, timestamp, in_reply_to;
    EnvelopeType type;
    bool has_shed;
  };
  Status send(const Envelope& envelope) override {
    if (!status) return status;
    sent.push_back({std::string(envelope.id), std::string(envelope.ns), std::string(envelope.payload),
                    std::string(envelope.timestamp), std::string(envelope.in_reply_to), envelope.type,
                    envelope.has_shed});
    return {};
  }
  Status status;
  std::vector<Sent> sent;
};

// Hands a response to a GuestHalf as a link would.
inline bool deliver(GuestHalf& half, std::string_view text) {
  Buffer padded;
  padded.append(text);
  padded.spare(kJsonPadding);
  EnvelopeDecoder decoder;
  const auto envelope = decoder.decode(padded.view());
  REQUIRE(envelope);
  return half.deliver(*envelope, padded.view());
}

// A guest, as the HostHalf sees it.
class FakePort : public GuestPort {
 public:
  explicit FakePort(std::string name, std::string server = "mini2")
      : name_(std::move(name)), server_(std::move(server)) {}
  ShedView shed() const override { return {name_, "fake", server_}; }
  Status deliver(const Envelope&, std::string_view text) override {
    if (status) delivered.emplace_back(text);
    return status;
  }
  void lose(std::string_view id, std::string_view, const Error& reason) override {
    lost.emplace_back(std::string(id), reason);
  }

  Status status;  // what deliver() says
  std::vector<std::string> delivered;
  std::vector<std::pair<std::string, Error>> lost;

 private:
  std::string name_, server_;
};

}  // namespace shed::bus
