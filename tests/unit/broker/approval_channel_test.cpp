// The channel as an approver sees it.
#include "shed/broker/approval_channel.h"

#include <sys/stat.h>

#include "approval_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

AuditRecord some_record(const FakeClock& clock, int number = 0) {
  AuditRecord record;
  record.ts = clock.wall();
  record.shed = "web";
  record.ns = "ssh-agent";
  record.op = "sign";
  record.result = "ok";
  record.request_id = fmt::format("r{}", number);
  return record;
}

// A line without its own id, which is another one each time.
std::string without_id(std::string line) {
  const std::string start = R"("id":")";
  const std::size_t at = line.find(start);
  REQUIRE(at != std::string::npos);
  return line.erase(at + start.size(), 36);
}

TEST_CASE("the command that answers at a socket can be pasted into a shell") {
  CHECK(approve_command("") == "shed-ext approve");
  CHECK(approve_command(default_approval_socket()) == "shed-ext approve");
  CHECK(approve_command("/run/user/1000/a.sock") == "shed-ext approve --socket /run/user/1000/a.sock");
  CHECK(approve_command("/Application Support/ada's.sock") ==
        R"(shed-ext approve --socket '/Application Support/ada'\''s.sock')");
}

TEST_CASE("socket and directory of the channel are for their owner") {
  const ApprovalFixture fixture;
  struct stat info{};
  REQUIRE(::stat(fixture.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  REQUIRE(::stat((fixture.folder / "run").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
}

TEST_CASE("a live approval socket is not replaced") {
  ApprovalFixture fixture;
  ApprovalChannel second(fixture.loop, fixture.grants, {});
  const Status opened = second.listen(fixture.path);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code() == Errc::kExists);
}

TEST_CASE("a hello is acknowledged with what the agent does") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  CHECK(without_id(approver.line("hello_ack")) ==
        fmt::format(R"({{"type":"hello_ack","v":2,"id":"","ts":"2026-03-31T15:04:05.000Z",)"
                    R"("agent":{{"version":"{}","approval_method":"shed-desktop"}},)"
                    R"("namespaces":["ssh-agent","docker-credentials"],"gate_namespaces":["ssh-agent"],)"
                    R"("request_timeout_ms":25000,"accepted":true,"reason":""}})",
                    SHED_VERSION));
  CHECK(fixture.channel.has_approver());
  CHECK(fixture.channel.approver_name() == "desk");
  CHECK(fixture.channel.approver_version() == "2.1");
}

TEST_CASE("a connection without a hello is dropped after 2 s") {
  ApprovalFixture fixture;
  Approver approver(fixture.loop, fixture.path, false);
  fixture.pass(1'999ms);
  CHECK_FALSE(approver.peer.ended());
  fixture.pass(1ms);
  CHECK(approver.peer.ended());
  CHECK(fixture.log.count("no hello") == 1);
}

TEST_CASE("a hello that comes byte by byte does not get more than 2 s") {
  ApprovalFixture fixture;
  Approver approver(fixture.loop, fixture.path, false);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(approver.peer.ended());
    approver.peer.send("{");
    fixture.pass(700ms);
  }
  CHECK(approver.peer.ended());
}

TEST_CASE("a first line that is no hello ends the connection") {
  const std::string first =
      GENERATE(as<std::string>{}, R"({"type":"pong"})", "garbage", "{}", "[]", "", "\xff\xfe");
  CAPTURE(first);
  ApprovalFixture fixture;
  Approver approver(fixture.loop, fixture.path, false);
  approver.send(first);
  CHECK(approver.peer.ended());
  CHECK_FALSE(fixture.channel.has_approver());
}

TEST_CASE("a hello without names is taken as it is") {
  ApprovalFixture fixture;
  Approver approver(fixture.loop, fixture.path, false);
  approver.send(R"({"type":"hello","client":7,"replay_events":-5})");
  CHECK(approver.lines("hello_ack").size() == 1);
  CHECK(fixture.channel.approver_name().empty());
}

TEST_CASE("silent connections keep an approver waiting for 2 s at most") {
  ApprovalFixture fixture;
  std::list<Approver> silent;
  for (std::size_t i = 0; i < ApprovalChannel::kMaxSilent; ++i) {
    silent.emplace_back(fixture.loop, fixture.path, false);
  }
  Approver approver = fixture.connect();
  CHECK_FALSE(fixture.channel.has_approver());
  fixture.pass(2s);
  CHECK(fixture.channel.has_approver());
}

TEST_CASE("another user's process is not served") {
  const bool is_root = ::geteuid() == 0;
  // Root is welcome everywhere: then it is the test that becomes somebody else.
  ApprovalFixture fixture(asking(), is_root ? 0 : ::geteuid() + 1);
  for (const std::string& path : {fixture.folder / "", fixture.folder / "run", fixture.path}) {
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
  }
  if (is_root) REQUIRE(::seteuid(65534) == 0);
  Approver approver(fixture.loop, fixture.path, false);
  if (is_root) REQUIRE(::seteuid(0) == 0);
  CHECK(approver.peer.ended());
  CHECK(fixture.log.count("may not approve") == 1);
}

TEST_CASE("a newer approver takes over, and the older one is told") {
  ApprovalFixture fixture;
  Approver older = fixture.connect();
  (void)older.line("hello_ack");
  Approver newer = fixture.connect();
  CHECK(without_id(older.line("hello_ack")) ==
        R"({"type":"hello_ack","v":2,"id":"","ts":"2026-03-31T15:04:05.000Z",)"
        R"("agent":{"version":"","approval_method":""},"namespaces":null,"gate_namespaces":null,)"
        R"("request_timeout_ms":0,"accepted":false,"reason":"superseded"})");
  CHECK(older.peer.ended());
  CHECK(newer.lines("hello_ack").size() == 1);
  CHECK_FALSE(newer.peer.ended());
}

TEST_CASE("a superseded approver that reads nothing is closed within a second") {
  ApprovalFixture fixture;
  Approver older = fixture.connect();
  for (int i = 0; i < 2'000; ++i) fixture.channel.publish(some_record(fixture.clock, i));
  const Approver newer = fixture.connect();
  fixture.pass(1s);
  CHECK(older.peer.ended());
}

TEST_CASE("an approver is pinged every 10 s, and stays for as long as it answers") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  for (int i = 0; i < 5; ++i) {
    fixture.pass(10s);
    CHECK(approver.lines("ping").size() == 1);
    approver.send(R"({"type":"pong"})");
  }
  CHECK(fixture.channel.has_approver());
}

TEST_CASE("an approver that misses two pings is dropped") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  fixture.pass(10s);
  fixture.pass(10s);
  fixture.pass(9'999ms);
  CHECK(fixture.channel.has_approver());
  fixture.pass(1ms);
  CHECK_FALSE(fixture.channel.has_approver());
  CHECK(approver.lines("ping").size() == 2);
  CHECK(approver.peer.ended());
}

TEST_CASE("an event has the fields of the audit record") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  fixture.channel.publish(some_record(fixture.clock));
  CHECK(without_id(approver.line("event")) ==
        R"({"type":"event","v":2,"id":"","ts":"2026-03-31T15:04:05Z","kind":"audit","shed":"web",)"
        R"("ns":"ssh-agent","op":"sign","result":"ok","approval":"none","request_id":"r0","duration_us":0})");
}

TEST_CASE("as many earlier events are told as the approver asks for, the last 100 at most") {
  ApprovalFixture fixture;
  for (int i = 0; i < 130; ++i) fixture.channel.publish(some_record(fixture.clock, i));
  const auto [wanted, first, count] =
      GENERATE(table<int, int, int>({{0, 0, 0}, {3, 127, 3}, {100, 30, 100}, {100'000, 30, 100}}));
  Approver approver(fixture.loop, fixture.path, false);
  approver.hello(wanted);
  const auto events = approver.lines("event");
  REQUIRE(events.size() == static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    CHECK(member(events[static_cast<std::size_t>(i)], "request_id") == fmt::format("r{}", first + i));
  }
}

TEST_CASE("events that an approver is too slow for are left out, and it stays") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  for (int i = 0; i < 20'000; ++i) fixture.channel.publish(some_record(fixture.clock, i));
  CHECK(fixture.channel.has_approver());
  const std::size_t told = approver.lines("event").size();
  CHECK(told > 100);
  CHECK(told < 20'000);
}

TEST_CASE("a line of 1 MiB is taken, a longer one is not") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const std::string start = R"({"type":"pong","x":")";
  const std::size_t room = (std::size_t{1} << 20) - start.size() - 2;
  approver.send(start + std::string(room, 'x') + "\"}");
  CHECK(fixture.channel.has_approver());
  approver.send(start + std::string(room + 1, 'x') + "\"}");
  CHECK_FALSE(fixture.channel.has_approver());
  CHECK(fixture.log.count("a line is over 1048576 bytes") == 1);
}

TEST_CASE("a line that never ends is not kept") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  const std::string part(256 * 1024, 'x');
  for (int i = 0; i < 8; ++i) (void)approver.peer.send(part);
  CHECK_FALSE(fixture.channel.has_approver());
}

TEST_CASE("lines of unknown types are passed over") {
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  approver.send(R"({"type":"weather"})");
  approver.send(R"({"type":"hello"})");
  CHECK(fixture.channel.has_approver());
}

TEST_CASE("an approver that sends garbage is dropped") {
  const std::string line = GENERATE(
      as<std::string>{}, "garbage", "", "[]", R"({"type":7})", R"({"type":"approval_response"})",
      R"({"type":"revoke"})", R"({"type":"revoke","id":""})",
      R"({"type":"approval_response","request_id":7,"decision":"approve"})", std::string(100, '['), "\xff");
  CAPTURE(line);
  ApprovalFixture fixture;
  Approver approver = fixture.connect();
  approver.send(line);
  CHECK_FALSE(fixture.channel.has_approver());
  CHECK(fixture.log.count("the approver is dropped") == 1);
}

TEST_CASE("grants are listed and revoked by the approver") {
  ApprovalFixture fixture;
  fixture.grants.add(asked_for(login_question()), Scope::kPerSession, 1h, "me");
  fixture.grants.add(asked_for(login_question("api")), Scope::kPerShed, 30min, "");
  Approver approver = fixture.connect();
  approver.send(R"({"type":"list_grants"})");
  const auto& grants = fixture.grants.list();
  CHECK(
      without_id(approver.line("grants")) ==
      fmt::format(R"({{"type":"grants","v":2,"id":"","ts":"2026-03-31T15:04:05.000Z","grants":[)"
                  R"({{"id":"{}","namespace":"ssh-agent","op":"sign","server":"mini2","shed":"web",)"
                  R"("key":"SHA256:key","subject":"login git@github.com","proof":"verified",)"
                  R"("scope":"per-session","ttl":"1h","decided_by":"me",)"
                  R"("granted_at":"2026-03-31T15:04:05Z","expires_at":"2026-03-31T16:04:05Z","uses":0}},)"
                  R"({{"id":"{}","namespace":"ssh-agent","op":"sign","server":"mini2","shed":"api",)"
                  R"("key":"SHA256:key","scope":"per-shed","ttl":"30m",)"
                  R"("granted_at":"2026-03-31T15:04:05Z","expires_at":"2026-03-31T15:34:05Z","uses":0}}]}})",
                  grants.at(0).id, grants.at(1).id));
  approver.send(fmt::format(R"({{"type":"revoke","id":"{}"}})", grants.at(0).id));
  CHECK_THAT(approver.line("grants"), !Catch::Contains("\"web\"") && Catch::Contains("\"api\""));
  approver.send(R"({"type":"revoke","all":true})");
  CHECK_THAT(approver.line("grants"), Catch::EndsWith(R"("grants":[]})"));
}

TEST_CASE("an approver that asks without end and reads nothing is dropped") {
  ApprovalFixture fixture;
  for (std::size_t i = 0; i < Grants::kMost; ++i) {
    fixture.grants.add(asked_for(login_question(fmt::format("web{}", i))), Scope::kPerSession, 1h, "me");
  }
  Approver approver = fixture.connect();
  const std::string line = "{\"type\":\"list_grants\"}\n";
  for (int i = 0; i < 100 && fixture.channel.has_approver(); ++i) (void)approver.peer.send(line);
  CHECK_FALSE(fixture.channel.has_approver());
  CHECK(fixture.log.count("it does not read") == 1);
}

}  // namespace
}  // namespace shed::broker
