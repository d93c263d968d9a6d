#include "shed/bus/host_half.h"

#include "host_half_fixture.h"

namespace shed::bus {
namespace {

TEST_CASE("a request goes to the listener as one event, with the guest it came from") {
  HostFixture fixture;
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
  HostFixture fixture;
  const auto listener = fixture.listen();
  const Uuid id = make_uuid7(fixture.clock.wall());
  Envelope forged = HostFixture::envelope(id.view(), "1", EnvelopeType::kRequest);
  forged.has_shed = true;
  forged.shed = {"admin", "root", "other"};
  REQUIRE(fixture.half.accept(fixture.db, forged));
  const std::string event = taken(*listener);
  CHECK(event.find("admin") == event.npos);
  CHECK(event.find(shed_json("db")) != event.npos);
}

TEST_CASE("a payload over several lines is one line of data") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  fixture.send(fixture.web, "{\n\"a\":\r\n1\n\n}");
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 1);
  CHECK(events[0].find("\"payload\":{ \"a\":  1  }") != std::string::npos);
}

TEST_CASE("messages wait in their order") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  fixture.send(fixture.web, "1");
  fixture.send(fixture.db, "2", EnvelopeType::kEvent);
  const auto events = events_in(taken(*listener));
  REQUIRE(events.size() == 2);
  CHECK(member(events[0], "type") == "request");
  CHECK(member(events[1], "type") == "event");
}

TEST_CASE("where nobody listens a message is refused with the remedy") {
  HostFixture fixture;
  const auto other = fixture.listen("aws-credentials");
  fixture.send(fixture.web);
  REQUIRE_FALSE(fixture.status);
  CHECK(fixture.status.error().code() == Errc::kUnavailable);
  CHECK(fixture.status.error().text() ==
        "nobody on the host listens to ssh-agent; is the host agent running?");
}

TEST_CASE("a request whose id is no UUID is refused") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  for (const std::string& id : {std::string("1"), std::string(35, 'i'), std::string(37, 'i')}) {
    const Status status =
        fixture.half.accept(fixture.web, HostFixture::envelope(id, "1", EnvelopeType::kRequest));
    REQUIRE_FALSE(status);
    CHECK(status.error().code() == Errc::kInvalid);
  }
  CHECK(taken(*listener).empty());
}

TEST_CASE("a namespace has one listener, and reserved and bad ones have none") {
  HostFixture fixture;
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
  HostFixture fixture;
  std::vector<std::unique_ptr<HostHalf::Subscription>> listeners;
  for (std::size_t i = 0; i < HostHalf::kMaxListeners; ++i) {
    listeners.push_back(fixture.listen(fmt::format("n{}", i)));
  }
  CHECK(fixture.half.subscribe("one-more").error().code() == Errc::kLimit);
  listeners.pop_back();
  CHECK(fixture.half.subscribe("one-more"));
}

TEST_CASE("an answer goes to the guest that asked, as it came, once") {
  HostFixture fixture;
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
  HostFixture fixture;
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
  HostFixture fixture;
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
  HostFixture fixture;
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
  HostFixture fixture;
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
  CHECK(fixture.half.accept(fixture.web, HostFixture::envelope(id, "1", EnvelopeType::kRequest)));
  CHECK_FALSE(taken(*listener).empty());
}

TEST_CASE("a guest that comes back and asks again gets the one answer") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  REQUIRE_FALSE(taken(*listener).empty());
  fixture.half.detach(fixture.web);
  CHECK(fixture.half.guests() == std::vector<GuestPort*>{&fixture.db});
  fixture.half.attach(fixture.web);
  CHECK(fixture.half.accept(fixture.web, HostFixture::envelope(id, "{}", EnvelopeType::kRequest)));
  CHECK(taken(*listener).empty());
  CHECK(fixture.respond(answer(id)));
  CHECK(fixture.web.delivered.size() == 1);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kRefused);
}

TEST_CASE("what a forgotten guest asked reaches no listener, and its answer no guest") {
  HostFixture fixture;
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
  HostFixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  REQUIRE(fixture.half.accept(fixture.db, HostFixture::envelope(id, "2", EnvelopeType::kRequest)));
  CHECK(events_in(taken(*listener)).size() == 2);
  CHECK(fixture.respond(answer(id, "db", "\"for db\"")));
  CHECK(fixture.web.delivered.empty());
  CHECK(fixture.respond(answer(id, "web", "\"for web\"")));
  CHECK(fixture.db.delivered == std::vector<std::string>{answer(id, "db", "\"for db\"")});
  CHECK(fixture.web.delivered == std::vector<std::string>{answer(id, "web", "\"for web\"")});
  CHECK(fixture.respond(answer(id, "db")).error().code() == Errc::kRefused);
}

TEST_CASE("an answer that the guest has no room for can be given again") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  fixture.web.status = fail(Errc::kLimit, "too much waits for it");
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kLimit);
  fixture.web.status = {};
  CHECK(fixture.respond(answer(id)));
  CHECK(fixture.web.delivered.size() == 1);
}

TEST_CASE("a link that breaks while its answer is handed over counts as a guest that is away") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  const std::string id = fixture.send(fixture.web);
  fixture.web.status = fail(Errc::kClosed, "the connection is over");
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kNotFound);
  CHECK(fixture.respond(answer(id)).error().code() == Errc::kRefused);
}

TEST_CASE("what is no request and no event is refused, with all that is too long") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  const std::string id = "0197f000-0000-7000-8000-000000000000";
  const auto refused = [&](const Envelope& envelope) {
    const Status status = fixture.half.accept(fixture.web, envelope);
    return status ? Errc::kInternal : status.error().code();
  };
  CHECK(refused(HostFixture::envelope(id, "1", EnvelopeType::kResponse)) == Errc::kInvalid);
  CHECK(refused(HostFixture::envelope("short", "1", EnvelopeType::kRequest)) == Errc::kInvalid);
  Envelope stamped = HostFixture::envelope(id, "1", EnvelopeType::kRequest);
  const std::string long_time(65, '0');
  stamped.timestamp = long_time;
  CHECK(refused(stamped) == Errc::kInvalid);
  const std::string large(kMaxPublishBody + 1, '1');
  CHECK(refused(HostFixture::envelope(id, large, EnvelopeType::kRequest)) == Errc::kLimit);
  CHECK(taken(*listener).empty());
}

TEST_CASE("a guest cannot write the host half's own word into a request") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  Envelope envelope =
      HostFixture::envelope("0197f000-0000-7000-8000-000000000000", "1", EnvelopeType::kRequest);
  envelope.refusal = kRefusalClosed;
  REQUIRE(fixture.half.accept(fixture.web, envelope));
  CHECK(taken(*listener).find("refusal") == std::string::npos);
}

TEST_CASE("when a listener goes, those whom it has not answered are told at once") {
  HostFixture fixture;
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
