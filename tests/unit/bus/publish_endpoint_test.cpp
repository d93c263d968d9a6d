#include "shed/bus/publish_endpoint.h"

#include "bus_fixture.h"

namespace shed::bus {
namespace {

constexpr std::string_view kPath = "/v1/publish";
constexpr std::string_view kPing = R"({"namespace":"ssh-agent","payload":{"operation":"ping"}})";

// The endpoint on a socket, with a host behind it that answers when the test says.
class Fixture {
 public:
  Fixture() : server_(loop, endpoint, {.max_body = kMaxPublishBody}), tasks_(loop) {
    half.connect(&uplink);
    auto listener = net::Listener::open(loop, net::unix_at(folder / "bus.sock"));
    REQUIRE(listener);
    listener_.emplace(std::move(*listener));
    tasks_.spawn(server_.serve(listener_->acceptor()));
    loop.poll();
  }
  net::Peer connect() { return net::Peer(loop, folder / "bus.sock"); }
  Answer publish(std::string_view body) {
    net::Peer peer = connect();
    return ask(peer, http_post(kPath, body));
  }
  Answer ask_once(std::string_view request) {
    net::Peer peer = connect();
    return ask(peer, request);
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  async::Task<bool> say_farewell() {
    co_await endpoint.farewell();
    co_return true;
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  FakeUplink uplink;
  GuestHalf half{loop};
  PublishEndpoint endpoint{half};

 private:
  std::optional<net::Listener> listener_;
  net::HttpServer server_;
  async::Scope tasks_;
};

TEST_CASE("a request that is answered gets the response envelope as it came") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  CHECK(peer.ask(http_post(kPath, kPing)).empty());
  REQUIRE(fixture.uplink.sent.size() == 1);
  const std::string text = response_to(fixture.uplink.sent[0].id, "ssh-agent", R"({"status" : "ok"})");
  CHECK(deliver(fixture.half, text));
  fixture.loop.poll();
  const Answer answer = parse_answer(peer.received());
  CHECK(answer.status == 200);
  CHECK(answer.head.find("content-type: application/json\r\n") != std::string::npos);
  CHECK(answer.body == text);
  CHECK(fixture.uplink.sent[0].payload == R"({"operation":"ping"})");
}

TEST_CASE("a request may say its type, leave it empty or out") {
  Fixture fixture;
  const std::string type =
      GENERATE(as<std::string>{}, R"("type":"request",)", R"("type":"",)", R"("type":null,)", "");
  CHECK(fixture.publish(fmt::format(R"({{{}"namespace":"n"}})", type)).status == 0);
  REQUIRE(fixture.uplink.sent.size() == 1);
  CHECK(fixture.uplink.sent[0].type == EnvelopeType::kRequest);
  CHECK(fixture.uplink.sent[0].payload == "null");
}

TEST_CASE("an event is accepted with no body") {
  Fixture fixture;
  const Answer answer = fixture.publish(R"({"namespace":"n","type":"event","payload":[1]})");
  CHECK(answer.status == 202);
  CHECK(answer.body.empty());
  REQUIRE(fixture.uplink.sent.size() == 1);
  CHECK(fixture.uplink.sent[0].type == EnvelopeType::kEvent);
  CHECK(fixture.uplink.sent[0].payload == "[1]");
}

TEST_CASE("a shed that a guest claims to be goes no further") {
  Fixture fixture;
  fixture.publish(R"({"namespace":"n","type":"event","shed":{"name":"admin"}})");
  REQUIRE(fixture.uplink.sent.size() == 1);
  CHECK_FALSE(fixture.uplink.sent[0].has_shed);
}

TEST_CASE("a body that is not JSON of this form is INVALID_BODY") {
  Fixture fixture;
  const std::string body =
      GENERATE(as<std::string>{}, "", "not json", "[]", "null", "{", R"({"namespace":7})",
               R"({"namespace":"n","type":1})", R"({"namespace":"n","payload":{"a":1]}})",
               R"({"namespace":"n","payload":1,"payload":2})");
  CHECK(fixture.publish(body).is_error(400, "INVALID_BODY"));
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("a body without a namespace is MISSING_NAMESPACE") {
  Fixture fixture;
  const std::string body =
      GENERATE(as<std::string>{}, "{}", R"({"namespace":""})", R"({"namespace":null,"type":"x"})");
  CHECK(fixture.publish(body).is_error(400, "MISSING_NAMESPACE"));
}

TEST_CASE("a namespace that is bad or reserved is refused") {
  Fixture fixture;
  for (const std::string& ns : {std::string("a b"), std::string("system:health"), std::string(129, 'n')}) {
    CHECK(fixture.publish(fmt::format(R"({{"namespace":"{}"}})", ns)).is_error(400, "INVALID_NAMESPACE"));
  }
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("another type is INVALID_TYPE, a response as well") {
  Fixture fixture;
  const std::string type = GENERATE(as<std::string>{}, "letter", "response", "Event");
  CHECK(
      fixture.publish(fmt::format(R"({{"namespace":"n","type":"{}"}})", type)).is_error(400, "INVALID_TYPE"));
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("a body may have a mebibyte") {
  Fixture fixture;
  std::string body = R"({"namespace":"n","type":"event","payload":"")";
  body.insert(body.size() - 1, std::string(kMaxPublishBody - body.size() - 1, 'x'));
  body += '}';
  REQUIRE(body.size() == kMaxPublishBody);
  CHECK(fixture.publish(body).status == 202);
}

TEST_CASE("a body over a mebibyte is BODY_TOO_LARGE") {
  Fixture fixture;
  CHECK(fixture.publish(std::string(kMaxPublishBody + 1, ' ')).is_error(413, "BODY_TOO_LARGE"));
}

TEST_CASE("without the host it is NO_CONNECTION, at once") {
  Fixture fixture;
  SECTION("not connected") { fixture.half.connect(nullptr); }
  SECTION("nobody listens") { fixture.uplink.status = fail(Errc::kUnavailable, "nobody listens"); }
  CHECK(fixture.publish(kPing).is_error(503, "NO_CONNECTION"));
  CHECK(fixture.publish(R"({"namespace":"n","type":"event"})").is_error(503, "NO_CONNECTION"));
}

TEST_CASE("when the listener goes while a request waits, it is CONNECTION_LOST at once") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  fixture.half.lose(fixture.uplink.sent.at(0).id, Error(Errc::kClosed, "the host agent went away"));
  fixture.loop.poll();
  CHECK(parse_answer(peer.received()).is_error(503, "CONNECTION_LOST"));
}

TEST_CASE("when the connection goes and does not come back in time, it is CONNECTION_LOST") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  fixture.half.connect(nullptr);
  fixture.pass(29'999ms);
  CHECK(peer.received().empty());
  fixture.pass(1ms);
  CHECK(parse_answer(peer.received()).is_error(503, "CONNECTION_LOST"));
}

TEST_CASE("what a request asks is sent again as it was, when a new connection comes") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  // Others come meanwhile, over the same decoder.
  CHECK(fixture.publish(R"({"namespace":"other","type":"event","payload":"........................"})")
            .status == 202);
  FakeUplink next;
  fixture.half.connect(&next);
  REQUIRE(next.sent.size() == 1);
  CHECK(next.sent[0].id == fixture.uplink.sent[0].id);
  CHECK(next.sent[0].ns == "ssh-agent");
  CHECK(next.sent[0].payload == R"({"operation":"ping"})");
  CHECK(deliver(fixture.half, response_to(next.sent[0].id, "ssh-agent", "1")));
  fixture.loop.poll();
  CHECK(parse_answer(peer.received()).status == 200);
  fixture.half.connect(nullptr);
}

TEST_CASE("what the host half refuses in an answer is refused as where both halves are one process") {
  Fixture fixture;
  const auto [word, status, code] =
      GENERATE(table<std::string, int, std::string>({{"unavailable", 503, "NO_CONNECTION"},
                                                     {"limit", 429, "TOO_MANY_REQUESTS"},
                                                     {"closed", 503, "CONNECTION_LOST"}}));
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  CHECK(deliver(fixture.half,
                fmt::format(R"({{"id":"x","namespace":"ssh-agent","type":"response","in_reply_to":"{}",)"
                            R"("payload":{{"error":"why","code":"INTERNAL_ERROR"}},"refusal":"{}"}})",
                            fixture.uplink.sent.at(0).id, word)));
  fixture.loop.poll();
  const Answer answer = parse_answer(peer.received());
  CHECK(answer.is_error(status, code));
  CHECK(answer.body.find("\"why\"") != std::string::npos);
}

TEST_CASE("without an answer it is TIMEOUT after 30 seconds") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  fixture.pass(29'999ms);
  CHECK(peer.received().empty());
  fixture.pass(1ms);
  CHECK(parse_answer(peer.received()).is_error(504, "TIMEOUT"));
}

TEST_CASE("when the host does not keep up it is TOO_MANY_REQUESTS") {
  Fixture fixture;
  fixture.uplink.status = fail(Errc::kLimit, "full");
  CHECK(fixture.publish(kPing).is_error(429, "TOO_MANY_REQUESTS"));
  CHECK(fixture.publish(R"({"namespace":"n","type":"event"})").is_error(429, "TOO_MANY_REQUESTS"));
}

TEST_CASE("once it is stopping every request is refused") {
  Fixture fixture;
  fixture.endpoint.shut_down();
  CHECK(fixture.publish(kPing).is_error(503, "SHUTTING_DOWN"));
  CHECK(fixture.publish(R"({"namespace":"n","type":"event"})").is_error(503, "SHUTTING_DOWN"));
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("when it stops, who waits is told, and the bus waits until they know") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing));
  net::Running<bool> farewell(fixture.loop, fixture.say_farewell());
  CHECK(farewell.done());
  CHECK(parse_answer(peer.received()).is_error(503, "SHUTTING_DOWN"));
}

TEST_CASE("whoever does not take the last answer is not waited for longer than the limit") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  // More answers than the sockets hold, to a guest that reads none.
  const std::string request = http_post(kPath, kPing);
  std::string large(1024 * 1024, 'x');
  peer.send(request);
  CHECK(deliver(fixture.half, response_to(fixture.uplink.sent.at(0).id, "ssh-agent", "\"" + large + "\"")));
  fixture.loop.poll();
  net::Running<bool> farewell(fixture.loop, fixture.say_farewell());
  CHECK_FALSE(farewell.done());
  fixture.pass(PublishEndpoint::kFarewellLimit);
  CHECK(farewell.done());
}

TEST_CASE("with nobody waiting there is nothing to wait for") {
  Fixture fixture;
  net::Running<bool> farewell(fixture.loop, fixture.say_farewell());
  CHECK(farewell.done());
}

TEST_CASE("requests of several guests wait side by side, each for its own answer") {
  Fixture fixture;
  net::Peer first = fixture.connect();
  net::Peer second = fixture.connect();
  first.send(http_post(kPath, R"({"namespace":"aaaa","payload":1})"));
  second.send(http_post(kPath, R"({"namespace":"bb","payload":2})"));
  REQUIRE(fixture.uplink.sent.size() == 2);
  CHECK(deliver(fixture.half, response_to(fixture.uplink.sent[1].id, "bb", "\"two\"")));
  CHECK(deliver(fixture.half, response_to(fixture.uplink.sent[0].id, "aaaa", "\"one\"")));
  fixture.loop.poll();
  CHECK(member(parse_answer(first.received()).body, "payload") == "one");
  CHECK(member(parse_answer(second.received()).body, "payload") == "two");
}

TEST_CASE("a guest that leaves while it waits disturbs nobody") {
  Fixture fixture;
  net::Peer leaving = fixture.connect();
  leaving.send(http_post(kPath, kPing));
  leaving.close();
  LogLines log;
  CHECK_FALSE(deliver(fixture.half, response_to(fixture.uplink.sent.at(0).id, "ssh-agent", "1")));
  CHECK(fixture.half.dropped().late == 1);
  CHECK(fixture.publish(R"({"namespace":"n","type":"event"})").status == 202);
}

TEST_CASE("what a guest asked that has left is not asked again on the next connection") {
  Fixture fixture;
  net::Peer leaving = fixture.connect();
  net::Peer staying = fixture.connect();
  leaving.send(http_post(kPath, kPing));
  staying.send(http_post(kPath, kPing));
  leaving.close();
  FakeUplink next;
  fixture.half.connect(&next);
  REQUIRE(next.sent.size() == 1);
  CHECK(next.sent[0].id == fixture.uplink.sent.at(1).id);
  fixture.half.connect(nullptr);
}

TEST_CASE("a guest that sends its next request ahead gets both answers, in their order") {
  Fixture fixture;
  net::Peer peer = fixture.connect();
  peer.send(http_post(kPath, kPing) + http_post(kPath, R"({"namespace":"n","type":"event"})"));
  REQUIRE(fixture.uplink.sent.size() == 1);
  CHECK(deliver(fixture.half, response_to(fixture.uplink.sent[0].id, "ssh-agent", "1")));
  fixture.loop.poll();
  const std::string received = peer.received();
  CHECK(received.starts_with("HTTP/1.1 200 "));
  CHECK(received.find("HTTP/1.1 202 ") != std::string::npos);
}

TEST_CASE("a host that is no loopback name is refused") {
  Fixture fixture;
  for (const std::string_view headers :
       {"Host: evil.example\r\n", "Host: evil.example:498\r\n", "Host: 10.0.0.1\r\n", "Host:\r\n",
        "Host: localhost.evil.example\r\n", "Host: 127.0.0.1.evil.example\r\n"}) {
    INFO(headers);
    CHECK(fixture.ask_once(http_post(kPath, kPing, headers)).is_error(403, "FORBIDDEN_HOST"));
  }
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("every loopback name is accepted") {
  Fixture fixture;
  fixture.half.connect(nullptr);
  for (const std::string_view headers :
       {"Host: localhost\r\n", "Host: LOCALHOST:498\r\n", "Host: 127.0.0.1:498\r\n", "Host: [::1]:498\r\n"}) {
    INFO(headers);
    CHECK(fixture.ask_once(http_post(kPath, kPing, headers)).status == 503);
  }
}

TEST_CASE("what a web page sends is refused") {
  Fixture fixture;
  for (const std::string_view origin : {"http://evil.example", "null", "http://127.0.0.1:498"}) {
    const std::string headers = fmt::format("Host: 127.0.0.1:498\r\nOrigin: {}\r\n", origin);
    CHECK(fixture.ask_once(http_post(kPath, kPing, headers)).is_error(403, "FORBIDDEN_ORIGIN"));
  }
  CHECK(fixture.uplink.sent.empty());
}

TEST_CASE("no body is read of a request that is refused anyway") {
  Fixture fixture;
  const auto announce = [](std::string_view path, std::string_view host) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n", path, host);
  };
  CHECK(fixture.ask_once(announce(kPath, "evil.example")).is_error(403, "FORBIDDEN_HOST"));
  CHECK(fixture.ask_once(announce("/", "localhost")).is_error(404, "NOT_FOUND"));
}

TEST_CASE("other paths and methods are refused") {
  Fixture fixture;
  CHECK(fixture.ask_once(http_post("/", kPing)).is_error(404, "NOT_FOUND"));
  CHECK(fixture.ask_once(http_post("/v1/publish/", kPing)).is_error(404, "NOT_FOUND"));
  CHECK(fixture.ask_once(http_get(kPath)).is_error(405, "METHOD_NOT_ALLOWED"));
  CHECK(fixture.uplink.sent.empty());
}

}  // namespace
}  // namespace shed::bus
