// What a listener that reads slowly, and guests that ask too much, cost the others: nothing.
#include <deque>

#include "host_half_fixture.h"

namespace shed::bus {
namespace {

TEST_CASE("messages for a listener that does not read are refused at a bound, until it reads") {
  HostFixture fixture;
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
  HostFixture fixture;
  const auto listener = fixture.listen();
  const auto other = fixture.listen("aws-credentials");
  const std::string large = "\"" + std::string(kMaxPublishBody - 2, 'x') + "\"";
  fixture.send(fixture.web, large);
  REQUIRE(fixture.status);
  const std::string half = large.substr(0, large.size() / 2) + "\"";
  Envelope elsewhere =
      HostFixture::envelope("0197f000-0000-7000-8000-000000000000", half, EnvelopeType::kEvent);
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
  HostFixture fixture;
  const auto listener = fixture.listen();
  const auto other = fixture.listen("aws-credentials");
  const std::string oldest = fixture.send(fixture.web);
  for (std::size_t i = 1; i < HostHalf::kMaxInFlight; ++i) fixture.send(fixture.web);
  REQUIRE(fixture.status);
  Envelope elsewhere =
      HostFixture::envelope("0197f000-0000-7000-8000-000000000000", "1", EnvelopeType::kRequest);
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
  HostFixture fixture;
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
  HostFixture fixture;
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
  HostFixture fixture;
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
  HostFixture fixture;
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

TEST_CASE("a listener gets as many requests as it works on, however many guests ask, and the others next") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  std::deque<FakePort> crowd;
  std::vector<std::string> ids;
  for (int i = 0; i < 300; ++i) {
    fixture.half.attach(crowd.emplace_back(fmt::format("c{}", i)));
    ids.push_back(fixture.send(crowd.back()));
  }
  const auto take_all = [&listener] {
    std::vector<std::string> found;
    for (std::string batch = taken(*listener); !batch.empty(); batch = taken(*listener)) {
      for (const std::string& event : events_in(batch)) found.push_back(member(event, "id"));
    }
    return found;
  };
  CHECK(take_all() == std::vector<std::string>(ids.begin(), ids.begin() + FairQueue::kPlaces));
  CHECK_FALSE(listener->pending().is_set());
  SECTION("when one is answered") {
    REQUIRE(fixture.respond(answer(ids[0], "c0")));
    CHECK(listener->pending().is_set());
    CHECK(take_all() == std::vector<std::string>{ids[FairQueue::kPlaces]});
  }
  SECTION("when a guest goes that has not taken the place it could have") {
    REQUIRE(fixture.respond(answer(ids[0], "c0")));
    fixture.half.abandon(crowd[FairQueue::kPlaces]);
    CHECK(take_all() == std::vector<std::string>{ids[FairQueue::kPlaces + 1]});
  }
  SECTION("when guests go") {
    for (int i = 0; i < 60; ++i) fixture.half.forget(crowd[i]);
    CHECK(take_all() == std::vector<std::string>(ids.begin() + FairQueue::kPlaces, ids.end()));
  }
  for (FakePort& port : crowd) fixture.half.forget(port);
}

TEST_CASE("what a listener works on takes a guest's places, also when the guest has abandoned it") {
  HostFixture fixture;
  const auto listener = fixture.listen();
  std::vector<std::string> ids;
  for (int i = 0; i < 70; ++i) ids.push_back(fixture.send(fixture.web));
  taken(*listener);
  for (int i = 0; i < 3; ++i) fixture.half.abandon(fixture.web);
  const std::string next = fixture.send(fixture.web);
  CHECK(taken(*listener).empty());
  SECTION("until it is answered, which reaches nobody") {
    CHECK(fixture.respond(answer(ids[5])).error().code() == Errc::kRefused);
    CHECK(fixture.web.delivered.empty());
    CHECK(member(events_in(taken(*listener)).at(0), "id") == next);
    // The places are free again, all of them.
    for (int i = 0; i < 63; ++i) (void)fixture.respond(answer(ids[6 + i]));
    for (int i = 0; i < 70; ++i) fixture.send(fixture.web);
    CHECK(events_in(taken(*listener)).size() == 63);
  }
  SECTION("until a minute has passed") {
    fixture.clock.advance(61s);
    fixture.send(fixture.web);
    CHECK(events_in(taken(*listener)).size() == 2);
  }
  SECTION("until its port is forgotten") {
    fixture.half.forget(fixture.web);
    for (int i = 0; i < 70; ++i) fixture.send(fixture.web);
    CHECK(events_in(taken(*listener)).size() == 64);
  }
}

TEST_CASE("what a guest has abandoned counts among its 256 in flight, until its listener goes") {
  HostFixture fixture;
  auto listener = fixture.listen();
  for (int i = 0; i < 70; ++i) fixture.send(fixture.web);
  taken(*listener);
  fixture.half.abandon(fixture.web);
  for (std::size_t i = 0; i < HostHalf::kMaxInFlight - 64; ++i) fixture.send(fixture.web);
  CHECK(fixture.status);
  fixture.send(fixture.web);
  CHECK_FALSE(fixture.status);
  listener.reset();
  listener = fixture.listen();
  for (std::size_t i = 0; i < HostHalf::kMaxInFlight; ++i) fixture.send(fixture.web);
  CHECK(fixture.status);
}

TEST_CASE("requests that nobody answers are bounded, and forgotten after a minute") {
  HostFixture fixture;
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

}  // namespace
}  // namespace shed::bus
