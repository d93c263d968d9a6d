#include "shed/bus/host_half.h"

#include "bus_fixture.h"

namespace shed::bus {
namespace {

struct Fixture {
  FakeClock clock;
  async::Loop loop{clock};
  HostHalf half{loop};
  FakePort web{"web"};
  FakePort db{"db"};

  Fixture() {
    half.attach(web);
    half.attach(db);
  }
  std::unique_ptr<HostHalf::Subscription> listen(std::string_view ns = "ssh-agent") {
    auto subscription = half.subscribe(ns);
    REQUIRE(subscription);
    return std::move(*subscription);
  }
  // The id of what was sent.
  std::string send(FakePort& from, std::string_view payload = "{}",
                   EnvelopeType type = EnvelopeType::kRequest) {
    const Uuid id = make_uuid7(clock.wall());
    status = half.accept(from, envelope(id.view(), payload, type));
    return std::string(id.view());
  }
  static Envelope envelope(std::string_view id, std::string_view payload, EnvelopeType type) {
    Envelope envelope;
    envelope.id = id;
    envelope.ns = "ssh-agent";
    envelope.type = type;
    envelope.timestamp = "2026-03-31T15:04:05.000Z";
    envelope.payload = payload;
    return envelope;
  }
  Status respond(std::string_view text, std::string_view ns = "ssh-agent") {
    Buffer padded;
    padded.append(text);
    padded.spare(kJsonPadding);
    EnvelopeDecoder decoder;
    const auto envelope = decoder.decode(padded.view());
    REQUIRE(envelope);
    return half.respond(ns, *envelope, padded.view());
  }
  Status status;
};

// The next batch.
std::string taken(HostHalf::Subscription& subscription) {
  Buffer buffer;
  subscription.take(buffer);
  return std::string(buffer.view());
}

std::string shed_json(std::string_view name) {
  return fmt::format(R"({{"name":"{}","backend":"fake","server":"mini2"}})", name);
}

std::string answer(std::string_view id, std::string_view shed = "web", std::string_view payload = "1") {
  return response_to(id, "ssh-agent", payload, shed_json(shed));
}

TEST_CASE("a request goes to the listener as one event, with the guest it came from") {
  Fixture fixture;
  const auto listener = fixture.listen();
  CHECK_FALSE(listener->pending().is_set());
  const std::string id = fixture.send(fixture.web, R"({"operation" : "ping"})");
  REQUIRE(fixture.status);
  CHECK(listener->pending().is_set());
  CHECK(taken(*listener) ==
        fmt::format("event: message\ndata: {{\"id\":\"{}\",\"namespace\":\"ssh-agent\",\"type\":\"request\","
                    "\"final\":true,\"timestamp\":\"2026-03-31T15:04:05.000Z\","
                    "\"payload\":{{\"operation\" : \"ping\"}},\"shed\":{}}}\n\n",
                    id, shed_json("web")));
  CHECK_FALSE(listener->pending().is_set());
  CHECK(taken(*listener).empty());
}

TEST_CASE("a shed that a guest claims to be is overwritten") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const Uuid id = make_uuid7(fixture.clock.wall());
  Envelope forged = Fixture::envelope(id.view(), "1", EnvelopeType::kRequest);
  forged.has_shed = true;
  forged.shed = {"admin", "root", "other"};
  REQUIRE(fixture.half.accept(fixture.db, forged));
  const std::string event = taken(*listener);
  CHECK(event.find("admin") == event.npos);
  CHECK(event.find(shed_json("db")) != event.npos);
}

TEST_CASE("a payload over several lines is one line of data") {
  Fixture fixture;
  const auto listener = fixture.listen();
  fixture.send(fixture.web, "{\n\"a\":\r\n1\n\n}");
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 1);
  CHECK(events[0].find("\"payload\":{ \"a\":  1  }") != std::string::npos);
}

TEST_CASE("messages wait in their order") {
  Fixture fixture;
  const auto listener = fixture.listen();
  fixture.send(fixture.web, "1");
  fixture.send(fixture.db, "2", EnvelopeType::kEvent);
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 2);
  CHECK(member(events[0], "type") == "request");
  CHECK(member(events[1], "type") == "event");
}

TEST_CASE("where nobody listens a message is refused with the remedy") {
  Fixture fixture;
  const auto other = fixture.listen("aws-credentials");
  fixture.send(fixture.web);
  REQUIRE_FALSE(fixture.status);
  CHECK(fixture.status.error().code() == Errc::kUnavailable);
  CHECK(fixture.status.error().text() ==
        "nobody on the host listens to ssh-agent; is the host agent running?");
}

TEST_CASE("a request whose id is no UUID is refused") {
  Fixture fixture;
  const auto listener = fixture.listen();
  for (const std::string& id : {std::string("1"), std::string(35, 'i'), std::string(37, 'i')}) {
    const Status status =
        fixture.half.accept(fixture.web, Fixture::envelope(id, "1", EnvelopeType::kRequest));
    REQUIRE_FALSE(status);
    CHECK(status.error().code() == Errc::kInvalid);
  }
  CHECK(taken(*listener).empty());
}

TEST_CASE("a namespace has one listener, and reserved and bad ones have none") {
  Fixture fixture;
  const auto listener = fixture.listen("ssh-agent");
  CHECK(fixture.half.subscribe("ssh-agent").error().code() == Errc::kExists);
  CHECK(fixture.half.subscribe("system:health").error().code() == Errc::kRefused);
  CHECK(fixture.half.subscribe("").error().code() == Errc::kInvalid);
  CHECK(fixture.half.subscribe("a b").error().code() == Errc::kInvalid);
  CHECK(fixture.half.subscriptions().size() == 1);
  CHECK(listener->ns() == "ssh-agent");
  CHECK(listener->created_at() == fixture.clock.wall());
}

TEST_CASE("so many namespaces have listeners at a time") {
  Fixture fixture;
  std::vector<std::unique_ptr<HostHalf::Subscription>> listeners;
  for (std::size_t i = 0; i < HostHalf::kMaxListeners; ++i) {
    listeners.push_back(fixture.listen(fmt::format("n{}", i)));
  }
  CHECK(fixture.half.subscribe("one-more").error().code() == Errc::kLimit);
  listeners.pop_back();
  CHECK(fixture.half.subscribe("one-more"));
}

TEST_CASE("an answer goes to the guest that asked, as it came, once") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string first = fixture.send(fixture.web);
  const std::string second = fixture.send(fixture.db);
  const std::string text = answer(second, "db", "[1 , 2]");
  CHECK(fixture.respond(text));
  CHECK(fixture.db.delivered == std::vector<std::string>{text});
  CHECK(fixture.web.delivered.empty());
  const Status again = fixture.respond(text);
  REQUIRE_FALSE(again);
  CHECK(again.error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer(first)));
  CHECK(fixture.db.delivered.size() == 1);
}

TEST_CASE("of two guests with one name the one that asked gets the answer") {
  Fixture fixture;
  FakePort twin("web");
  fixture.half.attach(twin);
  const auto listener = fixture.listen();
  const std::string first = fixture.send(fixture.web);
  const std::string second = fixture.send(twin);
  CHECK(fixture.respond(answer(second)));
  CHECK(twin.delivered == std::vector<std::string>{answer(second)});
  CHECK(fixture.web.delivered.empty());
  CHECK(fixture.respond(answer(first)));
  CHECK(fixture.web.delivered == std::vector<std::string>{answer(first)});
  CHECK(twin.delivered.size() == 1);
}

TEST_CASE("an answer to what nobody asked is refused") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  const std::string event = fixture.send(fixture.web, "1", EnvelopeType::kEvent);
  CHECK(fixture.respond(answer("0197f000-0000-7000-8000-000000000000")).error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer("")).error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer(event)).error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer(id, "db")).error().code() == Errc::kRefused);
  CHECK(fixture.web.delivered.empty());
  CHECK(fixture.db.delivered.empty());
}

TEST_CASE("an answer of another namespace or type is refused") {
  Fixture fixture;
  const auto ssh = fixture.listen();
  const auto aws = fixture.listen("aws-credentials");
  const std::string id = fixture.send(fixture.web);
  CHECK(fixture.respond(answer(id), "aws-credentials").error().code() == Errc::kInvalid);
  CHECK(fixture.respond(response_to(id, "aws-credentials", "1", shed_json("web")), "ssh-agent")
            .error()
            .code() == Errc::kInvalid);
  // Of the right form, but the request was another listener's.
  CHECK(fixture.respond(response_to(id, "aws-credentials", "1", shed_json("web")), "aws-credentials")
            .error()
            .code() == Errc::kRefused);
  CHECK(fixture.respond(answer(id), "docker-credentials").error().code() == Errc::kInvalid);
  std::string event = answer(id);
  event.replace(event.find("response"), 8, "event");
  CHECK(fixture.respond(event).error().code() == Errc::kInvalid);
  CHECK(fixture.web.delivered.empty());
}

TEST_CASE("an answer for a guest that is not here is refused") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  CHECK(fixture.respond(answer(id, "nobody")).error().code() == Errc::kNotFound);
  const std::string elsewhere = R"({"name":"web","backend":"fake","server":"mini3"})";
  CHECK(fixture.respond(response_to(id, "ssh-agent", "1", elsewhere)).error().code() == Errc::kNotFound);
  fixture.half.detach(fixture.web);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kNotFound);
  // Connected anew: the request is done with, and can be asked again.
  fixture.half.attach(fixture.web);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kRefused);
  CHECK(fixture.web.delivered.empty());
  taken(*listener);
  CHECK(fixture.half.accept(fixture.web, Fixture::envelope(id, "1", EnvelopeType::kRequest)));
  CHECK_FALSE(taken(*listener).empty());
}

TEST_CASE("a guest that comes back and asks again gets the one answer") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  REQUIRE_FALSE(taken(*listener).empty());
  fixture.half.detach(fixture.web);
  CHECK(fixture.half.guests() == std::vector<GuestPort*>{&fixture.db});
  fixture.half.attach(fixture.web);
  CHECK(fixture.half.accept(fixture.web, Fixture::envelope(id, "{}", EnvelopeType::kRequest)));
  CHECK(taken(*listener).empty());
  CHECK(fixture.respond(answer(id)));
  CHECK(fixture.web.delivered.size() == 1);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kRefused);
}

TEST_CASE("what a forgotten guest asked reaches no listener, and its answer no guest") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string sent = fixture.send(fixture.web);
  taken(*listener);
  fixture.send(fixture.web);
  const std::string other = fixture.send(fixture.db);
  fixture.half.forget(fixture.web);
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 1);
  CHECK(member(events[0], "id") == other);
  CHECK(fixture.respond(answer(sent)).error().code() == Errc::kRefused);
  CHECK(fixture.respond(answer(other, "db")));
  CHECK(fixture.web.delivered.empty());
}

TEST_CASE("two guests that use one id at the same time each get their own answer") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  REQUIRE(fixture.half.accept(fixture.db, Fixture::envelope(id, "2", EnvelopeType::kRequest)));
  CHECK(events_in(taken(*listener)).size() == 2);
  CHECK(fixture.respond(answer(id, "db", "\"for db\"")));
  CHECK(fixture.web.delivered.empty());
  CHECK(fixture.respond(answer(id, "web", "\"for web\"")));
  CHECK(fixture.db.delivered == std::vector<std::string>{answer(id, "db", "\"for db\"")});
  CHECK(fixture.web.delivered == std::vector<std::string>{answer(id, "web", "\"for web\"")});
  CHECK(fixture.respond(answer(id, "db")).error().code() == Errc::kRefused);
}

TEST_CASE("an answer that the guest has no room for can be given again") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  fixture.web.status = fail(Errc::kLimit, "too much waits for it");
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kLimit);
  fixture.web.status = {};
  CHECK(fixture.respond(answer(id)));
  CHECK(fixture.web.delivered.size() == 1);
}

TEST_CASE("a link that breaks while its answer is handed over counts as a guest that is away") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  fixture.web.status = fail(Errc::kClosed, "the connection is over");
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kNotFound);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kRefused);
}

TEST_CASE("what is no request and no event is refused, with all that is too long") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string id = "0197f000-0000-7000-8000-000000000000";
  const auto refused = [&](const Envelope& envelope) {
    const Status status = fixture.half.accept(fixture.web, envelope);
    return status ? Errc::kInternal : status.error().code();
  };
  CHECK(refused(Fixture::envelope(id, "1", EnvelopeType::kResponse)) == Errc::kInvalid);
  CHECK(refused(Fixture::envelope("short", "1", EnvelopeType::kRequest)) == Errc::kInvalid);
  Envelope stamped = Fixture::envelope(id, "1", EnvelopeType::kRequest);
  const std::string long_time(65, '0');
  stamped.timestamp = long_time;
  CHECK(refused(stamped) == Errc::kInvalid);
  const std::string large(kMaxPublishBody + 1, '1');
  CHECK(refused(Fixture::envelope(id, large, EnvelopeType::kRequest)) == Errc::kLimit);
  CHECK(taken(*listener).empty());
}

TEST_CASE("a guest cannot write the host half's own word into a request") {
  Fixture fixture;
  const auto listener = fixture.listen();
  Envelope envelope = Fixture::envelope("0197f000-0000-7000-8000-000000000000", "1", EnvelopeType::kRequest);
  envelope.refusal = kRefusalClosed;
  REQUIRE(fixture.half.accept(fixture.web, envelope));
  CHECK(taken(*listener).find("refusal") == std::string::npos);
}

TEST_CASE("when a listener goes, those whom it has not answered are told at once") {
  Fixture fixture;
  auto listener = fixture.listen();
  const std::string answered = fixture.send(fixture.web);
  const std::string open = fixture.send(fixture.web);
  fixture.send(fixture.db);
  fixture.half.detach(fixture.db);
  fixture.half.forget(fixture.db);
  REQUIRE(fixture.respond(answer(answered)));
  listener.reset();
  REQUIRE(fixture.web.lost.size() == 1);
  CHECK(fixture.web.lost[0].first == open);
  CHECK(fixture.web.lost[0].second.code() == Errc::kClosed);
  CHECK(fixture.web.lost[0].second.text() == "the host agent went away before it answered");
  CHECK(fixture.db.lost.empty());
  CHECK(fixture.half.subscriptions().empty());
  CHECK(fixture.half.subscribe("ssh-agent"));
}

TEST_CASE("messages for a listener that does not read are refused at a bound, until it reads") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string payload = "\"" + std::string(kMaxPublishBody - 600, 'x') + "\"";
  std::deque<FakePort> flood;
  for (int i = 0; i < 4; ++i) {
    fixture.half.attach(flood.emplace_back(fmt::format("flood{}", i)));
    fixture.send(flood.back(), payload, EnvelopeType::kEvent);
    REQUIRE(fixture.status);
  }
  fixture.send(fixture.web, payload);
  REQUIRE_FALSE(fixture.status);
  CHECK(fixture.status.error().code() == Errc::kLimit);
  CHECK(fixture.status.error().text() == "the host agent does not keep up with ssh-agent");
  // The reserve: a guest that has nothing waiting.
  const std::string small = fixture.send(fixture.db);
  CHECK(fixture.status);
  fixture.send(flood[0], "\"" + std::string(4000, 'x') + "\"");
  CHECK_FALSE(fixture.status);
  taken(*listener);
  fixture.send(fixture.web, payload);
  CHECK(fixture.status);
  for (FakePort& port : flood) fixture.half.forget(port);
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 2);
  CHECK(member(events[0], "id") == small);
}

TEST_CASE("a guest has one message of any size waiting, or a mebibyte of them") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const auto other = fixture.listen("aws-credentials");
  const std::string large = "\"" + std::string(kMaxPublishBody - 2, 'x') + "\"";
  fixture.send(fixture.web, large);
  REQUIRE(fixture.status);
  const std::string half = large.substr(0, large.size() / 2) + "\"";
  Envelope elsewhere = Fixture::envelope("0197f000-0000-7000-8000-000000000000", half, EnvelopeType::kEvent);
  elsewhere.ns = "aws-credentials";
  const Status refused = fixture.half.accept(fixture.web, elsewhere);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kLimit);
  CHECK(refused.error().text().find("bytes of this guest wait already") != std::string::npos);
  CHECK(fixture.half.accept(fixture.db, elsewhere));
  taken(*listener);
  CHECK(fixture.half.accept(fixture.web, elsewhere));
}

TEST_CASE("a guest has 256 requests in flight over all namespaces, and others do not feel it") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const auto other = fixture.listen("aws-credentials");
  const std::string oldest = fixture.send(fixture.web);
  for (std::size_t i = 1; i < HostHalf::kMaxInFlight; ++i) fixture.send(fixture.web);
  REQUIRE(fixture.status);
  Envelope elsewhere = Fixture::envelope("0197f000-0000-7000-8000-000000000000", "1", EnvelopeType::kRequest);
  elsewhere.ns = "aws-credentials";
  const Status refused = fixture.half.accept(fixture.web, elsewhere);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kLimit);
  CHECK(refused.error().text() == "256 requests wait already");
  fixture.send(fixture.db);
  CHECK(fixture.status);
  REQUIRE(fixture.respond(answer(oldest)));
  CHECK(fixture.half.accept(fixture.web, elsewhere));
}

TEST_CASE("a guest that floods does not make another wait behind its backlog") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string payload = "\"" + std::string(20'000, 'x') + "\"";
  for (int i = 0; i < 40; ++i) fixture.send(fixture.web, payload);
  const std::string id = fixture.send(fixture.db);
  REQUIRE(fixture.status);
  CHECK(listener->pending().is_set());
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() < 10);
  CHECK(member(events[1], "id") == id);
  // The rest waits for its turn.
  CHECK(listener->pending().is_set());
}

TEST_CASE("guests take turns, one message each, and the order of each is kept") {
  Fixture fixture;
  const auto listener = fixture.listen();
  const std::string w1 = fixture.send(fixture.web);
  const std::string w2 = fixture.send(fixture.web);
  const std::string w3 = fixture.send(fixture.web);
  const std::string d1 = fixture.send(fixture.db);
  const std::string d2 = fixture.send(fixture.db);
  std::vector<std::string> ids;
  for (const std::string& event : events_in(taken(*listener))) ids.push_back(member(event, "id"));
  CHECK(ids == std::vector<std::string>{w1, d1, w2, d2, w3});
}

TEST_CASE("a guest with 64 requests unanswered waits with the next until one is answered") {
  Fixture fixture;
  const auto listener = fixture.listen();
  std::vector<std::string> ids;
  for (int i = 0; i < 70; ++i) ids.push_back(fixture.send(fixture.web));
  CHECK(events_in(taken(*listener)).size() == 64);
  CHECK_FALSE(listener->pending().is_set());
  CHECK(taken(*listener).empty());
  const std::string other = fixture.send(fixture.db);
  CHECK(listener->pending().is_set());
  CHECK(member(events_in(taken(*listener)).at(0), "id") == other);
  REQUIRE(fixture.respond(answer(ids[5])));
  CHECK(listener->pending().is_set());
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 1);
  CHECK(member(events[0], "id") == ids[64]);
}

TEST_CASE("guests that ask much leave places to those that ask little") {
  Fixture fixture;
  const auto listener = fixture.listen();
  std::deque<FakePort> crowd;
  for (int i = 0; i < 20; ++i) {
    fixture.half.attach(crowd.emplace_back(fmt::format("c{}", i)));
    for (int j = 0; j < 100; ++j) fixture.send(crowd.back());
  }
  std::size_t sent = 0;
  for (std::string batch = taken(*listener); !batch.empty(); batch = taken(*listener)) {
    sent += events_in(batch).size();
  }
  CHECK(sent == 192);
  const std::string id = fixture.send(fixture.db);
  CHECK(member(events_in(taken(*listener)).at(0), "id") == id);
  // A guest that goes leaves its places to the others.
  fixture.half.forget(crowd.front());
  CHECK(listener->pending().is_set());
  CHECK_FALSE(events_in(taken(*listener)).empty());
  for (FakePort& port : crowd) fixture.half.forget(port);
}

TEST_CASE("requests that nobody answers are bounded, and forgotten after a minute") {
  Fixture fixture;
  const auto listener = fixture.listen();
  std::deque<FakePort> guests;
  std::string oldest;
  for (std::size_t i = 0; i < HostHalf::kMaxOutstanding; ++i) {
    if (i % HostHalf::kMaxInFlight == 0) fixture.half.attach(guests.emplace_back(fmt::format("g{}", i)));
    const std::string id = fixture.send(guests.back());
    if (i == 0) oldest = id;
    taken(*listener);
  }
  REQUIRE(fixture.status);
  // One request of a guest that has none under way is always taken, a second one is not.
  fixture.send(fixture.web);
  CHECK(fixture.status);
  fixture.send(fixture.web);
  REQUIRE_FALSE(fixture.status);
  CHECK(fixture.status.error().code() == Errc::kLimit);
  fixture.clock.advance(60s);
  fixture.send(fixture.web);
  CHECK_FALSE(fixture.status);
  fixture.clock.advance(1s);
  fixture.send(fixture.web);
  CHECK(fixture.status);
  CHECK(fixture.respond(answer(oldest, "g0")).error().code() == Errc::kRefused);
  for (FakePort& port : guests) fixture.half.forget(port);
}

TEST_CASE("a link joins both halves as long as it lives") {
  FakeClock clock;
  async::Loop loop(clock);
  GuestHalf guest(loop);
  HostHalf host(loop);
  auto link = std::make_unique<LocalLink>(guest, host, "web", "mini2");
  CHECK(guest.connected());
  REQUIRE(host.guests().size() == 1);
  CHECK(host.guests()[0]->shed().name == "web");
  CHECK(host.guests()[0]->shed().backend == "local");
  CHECK(host.guests()[0]->shed().server == "mini2");
  auto listener = std::move(*host.subscribe("ssh-agent"));
  net::Running<Result<GuestHalf::Reply>> request(loop, guest.request("ssh-agent", "1", 30s));
  CHECK_FALSE(request.done());
  link.reset();
  CHECK_FALSE(guest.connected());
  CHECK(host.guests().empty());
  // It waits for another link, while its time lasts.
  CHECK_FALSE(request.done());
  clock.advance(30s);
  REQUIRE_FALSE(*request);
  CHECK((*request).error().code() == Errc::kClosed);
}

}  // namespace
}  // namespace shed::bus
