// Our approver and our host agent, on a socket.
#include "shed/broker/approver_client.h"

#include <memory>
#include <optional>

#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

struct Client {
  explicit Client(ApprovalFixture& fixture)
      : desk(fixture.clock, "ada"), client(fixture.loop, desk, fixture.path), tasks(fixture.loop) {
    tasks.spawn(client.run());
    fixture.loop.poll();
    fixture.loop.poll();
  }
  ApproverDesk desk;
  ApproverClient client;
  async::Scope tasks;
};

TEST_CASE("a question comes to the desk, and the answer to who asked") {
  ApprovalFixture fixture;
  Client client(fixture);
  REQUIRE(fixture.channel.approver_name() == "shed-ext approve");
  auto decision = fixture.decide();
  REQUIRE(client.desk.questions().size() == 1);
  const std::string id = client.desk.questions().front().id;
  REQUIRE(client.desk.answer(id, PersonsChoice::kSession));
  REQUIRE(decision->done());
  CHECK((*decision)->approved);
  CHECK((*decision)->decided_by == "ada");
  CHECK((*decision)->scope == "per-session");
  CHECK(fixture.grants.size() == 1);
}

TEST_CASE("an approver that ends denies what is open") {
  ApprovalFixture fixture;
  auto client = std::make_optional<Client>(fixture);
  auto decision = fixture.decide();
  REQUIRE(client->desk.questions().size() == 1);
  client->tasks.cancel();
  client.reset();
  REQUIRE(decision->done());
  CHECK_FALSE((*decision)->approved);
}

TEST_CASE("pings keep an idle approver connected") {
  ApprovalFixture fixture;
  Client client(fixture);
  for (int i = 0; i < 12; ++i) {
    fixture.pass(10s);
    fixture.loop.poll();
  }
  CHECK(fixture.channel.has_approver());
  CHECK(client.desk.link() == ApproverDesk::Link::kConnected);
}

TEST_CASE("a superseded approver stops and does not come back") {
  ApprovalFixture fixture;
  Client older(fixture);
  const Client newer(fixture);
  fixture.loop.poll();
  CHECK(older.desk.link() == ApproverDesk::Link::kRefused);
  CHECK(older.tasks.size() == 0);
  for (int i = 0; i < 6; ++i) {
    fixture.pass(10s);
    fixture.loop.poll();
  }
  CHECK(newer.desk.link() == ApproverDesk::Link::kConnected);
}

TEST_CASE("a missing host agent is tried again, and less often") {
  FakeClock clock;
  async::Loop loop(clock);
  const net::TemporaryFolder folder;
  ApproverDesk desk(clock, "ada");
  ApproverClient client(loop, desk, folder / "none.sock");
  async::Scope tasks(loop);
  tasks.spawn(client.run());
  loop.poll();
  CHECK(desk.link() == ApproverDesk::Link::kAway);
  CHECK_FALSE(desk.why_away().empty());
  // 250 ms, then 500 ms: an attempt sets `changed`.
  const auto tried_after = [&](Millis time) {
    client.changed().reset();
    clock.advance(time);
    loop.poll();
    return client.changed().is_set();
  };
  CHECK_FALSE(tried_after(249ms));
  CHECK(tried_after(1ms));
  CHECK_FALSE(tried_after(499ms));
  CHECK(tried_after(1ms));
}

TEST_CASE("a host agent that says nothing is left after 5 s") {
  FakeClock clock;
  async::Loop loop(clock);
  const net::TemporaryFolder folder;
  const auto listener = net::Listener::open(loop, net::unix_at(folder / "mute.sock"));
  REQUIRE(listener);
  ApproverDesk desk(clock, "ada");
  ApproverClient client(loop, desk, folder / "mute.sock");
  async::Scope tasks(loop);
  tasks.spawn(client.run());
  loop.poll();
  CHECK(desk.why_away().empty());
  clock.advance(ApproverClient::kHelloLimit);
  loop.poll();
  CHECK(desk.why_away() == "no answer within 5s");
}

TEST_CASE("what was answered last has gone out when finish() is done") {
  ApprovalFixture fixture;
  Client client(fixture);
  auto decision = fixture.decide();
  REQUIRE(client.desk.answer(client.desk.questions().front().id, PersonsChoice::kOnce));
  net::Running<bool> written(fixture.loop, client.client.finish(1s));
  CHECK(*written);
  REQUIRE(decision->done());
  CHECK((*decision)->approved);
}

TEST_CASE("finish() without a host agent says that nothing was written") {
  FakeClock clock;
  async::Loop loop(clock);
  ApproverDesk desk(clock, "ada");
  ApproverClient client(loop, desk, "/nowhere/host-agent.sock");
  net::Running<bool> written(loop, client.finish(1s));
  CHECK_FALSE(*written);
}

}  // namespace
}  // namespace shed::broker
