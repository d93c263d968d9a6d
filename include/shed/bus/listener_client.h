// ListenerClient: how the host agent takes requests of one namespace from a host bus and answers
// them (protocol.md section 4).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/bus/envelope.h"
#include "shed/net/event_stream.h"
#include "shed/net/http_client.h"

namespace shed::bus {

// The guest that asks, as the host bus names it.
struct Shed {
  std::string name, backend, server;
};

struct IncomingRequest {
  std::string id;
  std::string ns;
  std::string payload;  // JSON
  Shed shed;
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // The payload of the answer, as JSON. Requests run side by side, each as a task of its own.
  virtual async::Task<std::string> handle(IncomingRequest request) = 0;
};

struct ListenerOptions {
  net::Url server;
  std::string server_name;                         // for a bus that does not say which server it is
  std::string token;                               // Authorization: Bearer, when not empty
  std::shared_ptr<net::TlsContext> tls = nullptr;  // for an https server; null: the system's roots
};

struct ListenerState {
  enum class Kind { kReconnecting, kConnected, kStopped, kRejected };
  Kind kind = Kind::kReconnecting;
  std::string last_error;
  WallTime since;
};
std::string_view to_text(ListenerState::Kind kind);

class ListenerClient {
 public:
  // Requests that run at a time; the next is refused at once.
  static constexpr std::size_t kMaxInFlight = 256;
  // With so many under way, the places that are left are for guests that have few: other host buses than ours
  // bring all that one guest asks.
  static constexpr std::size_t kCrowded = 192;
  static constexpr std::size_t kFew = 4;

  ListenerClient(async::Loop& loop, ListenerOptions options, std::string ns, RequestHandler& handler);

  // Subscribes, answers, and subscribes again when the stream ends: after 1 s, doubling to 30 s,
  // from the start again once a stream has held for a minute. A bus on this machine is tried every
  // second at the least. Runs until the task is dropped.
  async::Task<> run();

  const std::string& ns() const { return ns_; }
  const ListenerState& state() const { return state_; }
  // Set while the listener is on the bus.
  async::Event& connected() { return connected_; }

 private:
  async::Task<Status> listen();
  async::Task<Status> read_events(net::HttpStream& stream);
  void take_event(std::string_view text);
  class Place;
  bool has_place(const std::string& guest) const;
  async::Task<> answer(IncomingRequest request, Place place);
  async::Task<> refuse(IncomingRequest request);
  async::Task<> send_answer(const IncomingRequest& request, const std::string& payload);
  void become(ListenerState::Kind kind, std::string error);

  async::Loop& loop_;
  ListenerOptions options_;
  std::string ns_;
  RequestHandler& handler_;
  net::HttpClient client_;
  EnvelopeDecoder decoder_;
  ListenerState state_;
  async::Event connected_;
  log::Limiter limiter_;
  std::string authorization_;
  std::map<std::string, std::size_t> of_guest_;  // requests under way, by server and name
  std::size_t under_way_ = 0;
  async::Scope requests_;
};

}  // namespace shed::bus
