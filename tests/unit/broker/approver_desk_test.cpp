#include "shed/broker/approver_desk.h"

#include <catch2/catch.hpp>

#include "broker/agent_lines.h"
#include "broker/approval_lines.h"
#include "shed/base/json.h"
#include "support/fake_clock.h"

namespace shed::broker {
namespace {

using namespace std::chrono_literals;

ApprovalQuestion login(std::string_view shed = "web", std::string_view request_id = "r1") {
  ApprovalQuestion question;
  question.op = "sign";
  question.server = "mini2";
  question.shed = shed;
  question.detail = "SSH sign request";
  question.request_id = request_id;
  question.key_type = "ssh-ed25519";
  question.key = "SHA256:key";
  question.key_comment = "me@desk";
  question.subject = "login git@github.com";
  question.proof = "verified";
  return question;
}

// A desk and what it sends; the host agent's lines are written by the host agent's own code.
struct Desk {
  Desk() {
    desk.connected([this](std::string_view line) { sent += line; });
  }
  void greet() {
    const std::vector<std::string_view> gates{"ssh-agent"};
    REQUIRE(desk.take(hello_ack_line({gates, gates, 25s}, clock.wall())));
  }
  void ask(std::string_view id, const ApprovalQuestion& question = login(), std::uint64_t count = 1) {
    REQUIRE(desk.take(question_line(id, question, count, clock.wall(), clock.wall() + 25s)));
  }
  std::string take_sent() { return std::exchange(sent, {}); }

  FakeClock clock;
  ApproverDesk desk{clock, "ada"};
  std::string sent;
};

TEST_CASE("a question before the host agent's hello ends the connection") {
  Desk fixture;
  const Status taken = fixture.desk.take(question_line("q1", login(), 1, fixture.clock.wall(), {}));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code() == Errc::kProtocol);
  CHECK(fixture.desk.questions().empty());
}

TEST_CASE("a question says all that the host agent told") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1", login(), 3);
  REQUIRE(fixture.desk.questions().size() == 1);
  const ApproverQuestion& question = fixture.desk.questions().front();
  CHECK(question.id == "q1");
  CHECK(question.ns == "ssh-agent");
  CHECK(question.op == "sign");
  CHECK(question.server == "mini2");
  CHECK(question.shed == "web");
  CHECK(question.key == "SHA256:key");
  CHECK(question.key_type == "ssh-ed25519");
  CHECK(question.key_comment == "me@desk");
  CHECK(question.subject == "login git@github.com");
  CHECK(question.proof == "verified");
  CHECK(question.count == 3);
  CHECK(question.end == fixture.clock.now() + 25s);
}

TEST_CASE("an answer is read by the host agent as it was meant") {
  const auto [choice, approved, scope] = GENERATE(table<PersonsChoice, bool, std::optional<Scope>>({
      {PersonsChoice::kDeny, false, std::nullopt},
      {PersonsChoice::kOnce, true, Scope::kPerRequest},
      {PersonsChoice::kSession, true, Scope::kPerSession},
      {PersonsChoice::kGuest, true, Scope::kPerShed},
  }));
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  REQUIRE(fixture.desk.answer("q1", choice, 90min));
  const auto line = read_approver_line(fixture.take_sent());
  REQUIRE(line);
  CHECK(line->kind == ApproverLine::Kind::kAnswer);
  CHECK(line->answer.request_id == "q1");
  CHECK(line->answer.approved == approved);
  CHECK(line->answer.decided_by == "ada");
  CHECK(line->answer.scope == scope);
  CHECK(line->answer.ttl == Millis(90min));
  CHECK(fixture.desk.questions().empty());
}

TEST_CASE("what is answered, over or unknown is not answered again") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  fixture.ask("q2");
  REQUIRE(fixture.desk.answer("q1", PersonsChoice::kOnce));
  (void)fixture.take_sent();
  CHECK_FALSE(fixture.desk.answer("q1", PersonsChoice::kOnce));
  CHECK_FALSE(fixture.desk.answer("q3", PersonsChoice::kOnce));
  fixture.clock.advance(25s);
  CHECK_FALSE(fixture.desk.answer("q2", PersonsChoice::kOnce));
  CHECK(fixture.sent.empty());
}

TEST_CASE("the time of a question does not follow a clock that is set") {
  Desk fixture;
  fixture.greet();
  fixture.clock.set_wall(fixture.clock.wall() + 24h);
  fixture.ask("q1");
  fixture.clock.set_wall(fixture.clock.wall() - 48h);
  fixture.clock.advance(24'999ms);
  CHECK(fixture.desk.questions().size() == 1);
  fixture.clock.advance(1ms);
  CHECK(fixture.desk.questions().empty());
}

TEST_CASE("a question without end is open for ten minutes") {
  Desk fixture;
  fixture.greet();
  REQUIRE(
      fixture.desk.take(question_line("q1", login(), 1, fixture.clock.wall(), fixture.clock.wall() + 24h)));
  CHECK(fixture.desk.questions().front().end == fixture.clock.now() + ApproverDesk::kLongestQuestion);
}

TEST_CASE("a record of the request ends its question") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1", login("web", "r1"));
  fixture.ask("q2", login("web", "r2"));
  AuditRecord record;
  record.ts = fixture.clock.wall();
  record.server = "mini2";
  record.shed = "other";
  record.ns = "ssh-agent";
  record.op = "sign";
  record.request_id = "r1";
  REQUIRE(fixture.desk.take(event_line(record)));
  CHECK(fixture.desk.questions().size() == 2);
  record.shed = "web";
  REQUIRE(fixture.desk.take(event_line(record)));
  REQUIRE(fixture.desk.questions().size() == 1);
  CHECK(fixture.desk.questions().front().id == "q2");
}

TEST_CASE("more than 128 questions are denied at once") {
  Desk fixture;
  fixture.greet();
  for (int i = 0; i < 128; ++i) fixture.ask(fmt::format("q{}", i));
  CHECK(fixture.sent.empty());
  fixture.ask("q128");
  CHECK(fixture.desk.questions().size() == 128);
  const auto line = read_approver_line(fixture.sent);
  REQUIRE(line);
  CHECK(line->answer.request_id == "q128");
  CHECK_FALSE(line->answer.approved);
}

TEST_CASE("a second question of the same id is denied and does not take the first one's place") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1", login("web"));
  fixture.ask("q1", login("other"));
  REQUIRE(fixture.desk.questions().size() == 1);
  CHECK(fixture.desk.questions().front().shed == "web");
  CHECK_FALSE(read_approver_line(fixture.sent)->answer.approved);
}

TEST_CASE("a muted guest is denied for five minutes, and no other one") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  fixture.ask("q2");
  fixture.ask("q3", login("other"));
  REQUIRE(fixture.desk.deny_and_mute("q1"));
  REQUIRE(fixture.desk.questions().size() == 1);
  CHECK(fixture.desk.questions().front().shed == "other");
  CHECK(fixture.sent.find(R"("request_id":"q1","decision":"deny")") != std::string::npos);
  CHECK(fixture.sent.find(R"("request_id":"q2","decision":"deny")") != std::string::npos);
  fixture.clock.advance(ApproverDesk::kMuteTime - 1ms);
  fixture.ask("q4");
  CHECK(fixture.desk.questions().empty());
  fixture.clock.advance(1ms);
  fixture.ask("q5");
  CHECK(fixture.desk.questions().size() == 1);
  CHECK(fixture.desk.muted().empty());
}

TEST_CASE("a guest of the same name on another server is not muted") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  REQUIRE(fixture.desk.deny_and_mute("q1"));
  ApprovalQuestion elsewhere = login();
  elsewhere.server = "mini3";
  fixture.ask("q2", elsewhere);
  CHECK(fixture.desk.questions().size() == 1);
}

TEST_CASE("a ping is answered") {
  Desk fixture;
  fixture.greet();
  REQUIRE(fixture.desk.take(ping_line(fixture.clock.wall())));
  CHECK(read_approver_line(fixture.sent)->kind == ApproverLine::Kind::kPong);
}

TEST_CASE("a lost connection takes the questions with it") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  fixture.desk.lost("the connection has ended");
  CHECK(fixture.desk.questions().empty());
  CHECK(fixture.desk.link() == ApproverDesk::Link::kAway);
  CHECK_FALSE(fixture.desk.answer("q1", PersonsChoice::kOnce));
  CHECK(fixture.sent.empty());
}

TEST_CASE("who is superseded has nothing left to answer") {
  Desk fixture;
  fixture.greet();
  fixture.ask("q1");
  const Status taken = fixture.desk.take(superseded_line(fixture.clock.wall()));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code() == Errc::kRefused);
  CHECK(fixture.desk.link() == ApproverDesk::Link::kRefused);
  CHECK(fixture.desk.why_away() == "another approver has taken over");
  CHECK(fixture.desk.questions().empty());
  fixture.desk.lost("the connection has ended");
  CHECK(fixture.desk.link() == ApproverDesk::Link::kRefused);
}

TEST_CASE("garbage from the host agent ends the connection") {
  const std::string line =
      GENERATE(as<std::string>{}, "", "garbage", "[]", "{}", R"({"type":7})",
               R"({"type":"approval_request"})", R"({"type":"approval_request","id":""})",
               R"({"type":"event","kind":"audit"})", "{\"type\":\"ping\xff\"}");
  CAPTURE(line);
  Desk fixture;
  fixture.greet();
  const Status taken = fixture.desk.take(line);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code() == Errc::kProtocol);
}

TEST_CASE("a line of a type that nobody knows is passed over") {
  Desk fixture;
  fixture.greet();
  CHECK(fixture.desk.take(R"({"type":"news","id":7})"));
  CHECK(fixture.sent.empty());
}

TEST_CASE("fields of other types are as good as absent") {
  Desk fixture;
  fixture.greet();
  REQUIRE(fixture.desk.take(
      R"({"type":"approval_request","id":"q1","shed":7,"count":-3,"expires_at":[],"subject":{"a":1}})"));
  REQUIRE(fixture.desk.questions().size() == 1);
  CHECK(fixture.desk.questions().front().shed.empty());
  CHECK(fixture.desk.questions().front().count == 0);
}

TEST_CASE("a text that is too long is cut, with a mark") {
  Desk fixture;
  fixture.greet();
  REQUIRE(fixture.desk.take(
      fmt::format(R"({{"type":"approval_request","id":"q1","shed":"{}"}})", std::string(kMaxText + 1, 'a'))));
  const std::string half(kMaxText / 2, 'a');
  CHECK(fixture.desk.questions().front().shed == half + "…" + half);
}

TEST_CASE("500 events are kept, and one that is told again is not there twice") {
  Desk fixture;
  fixture.greet();
  AuditRecord record;
  record.ts = fixture.clock.wall();
  record.shed = "web";
  const std::string twice = event_line(record);
  REQUIRE(fixture.desk.take(twice));
  REQUIRE(fixture.desk.take(twice));
  CHECK(fixture.desk.events().size() == 1);
  for (int i = 0; i < 500; ++i) {
    record.request_id = fmt::format("r{}", i);
    REQUIRE(fixture.desk.take(event_line(record)));
  }
  REQUIRE(fixture.desk.events().size() == 500);
  CHECK(fixture.desk.events().front().request_id == "r0");
  CHECK(fixture.desk.events().back().entry.shed == "web");
}

TEST_CASE("grants are listed as the host agent has them, and revoked by their id") {
  Desk fixture;
  fixture.greet();
  Grants grants(fixture.clock);
  grants.add(asked_for(login()), Scope::kPerSession, 30min, "ada");
  fixture.desk.list_grants();
  CHECK(read_approver_line(fixture.take_sent())->kind == ApproverLine::Kind::kListGrants);
  REQUIRE(fixture.desk.take(grants_line(grants.list(), fixture.clock.wall())));
  REQUIRE(fixture.desk.grants().size() == 1);
  const ApproverGrant& grant = fixture.desk.grants().front();
  CHECK(grant.subject == "login git@github.com");
  CHECK(grant.scope == "per-session");
  CHECK(grant.end == fixture.clock.now() + 30min);
  fixture.desk.revoke(grant.id);
  CHECK(read_approver_line(fixture.take_sent())->grant == grants.list().front().id);
  fixture.desk.revoke_all();
  const auto all = read_approver_line(fixture.take_sent());
  REQUIRE(all);
  CHECK(all->kind == ApproverLine::Kind::kRevoke);
  CHECK(all->grant.empty());
  fixture.clock.advance(30min);
  CHECK(fixture.desk.grants().empty());
}

TEST_CASE("a session is offered for what can be recognised only") {
  Desk fixture;
  fixture.greet();
  ApprovalQuestion claimed = login();
  claimed.proof = "claimed";
  fixture.ask("q1", claimed);
  fixture.ask("q2");
  CHECK(fixture.desk.questions()[0].scope_for(Scope::kPerSession) == Scope::kPerRequest);
  CHECK(fixture.desk.questions()[0].scope_for(Scope::kPerShed) == Scope::kPerShed);
  CHECK(fixture.desk.questions()[1].scope_for(Scope::kPerSession) == Scope::kPerSession);
}

TEST_CASE("nothing is remembered of a namespace that is not known") {
  ApproverQuestion question;
  question.ns = "other";
  question.key = "SHA256:key";
  CHECK(question.scope_for(Scope::kPerShed) == Scope::kPerRequest);
}

}  // namespace
}  // namespace shed::broker
