// What AuditLog does when its writer ends anywhere, beside other writers, and when it rotates.
#include "broker/audit_trail.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit_fixture.h"
#include "shed/broker/audit_verify.h"

namespace shed::broker {
namespace {

using namespace testing;
namespace fs = std::filesystem;
using Outcome = AuditVerdict::Outcome;
using Files = std::map<std::string, std::string>;

constexpr const char* kLog = "audit.log";
constexpr const char* kChain = "audit.log.chain";
constexpr const char* kHead = "audit.log.head";

// The files before and after one record, and what a writer that ended in between leaves.
struct Crash : AuditFixture {
  explicit Crash(std::initializer_list<std::string_view> first = {"a", "b"}) {
    write(first);
    before = files();
    write({"lost"});
    after = files();
  }

  Files with(const std::string& chain_text, const std::string& log_text) const {
    Files crashed = before;
    crashed[kChain] = chain_text;
    crashed[kLog] = log_text;
    return crashed;
  }
  // Before the next start, after it, and after one more record nothing is taken for a change, and nothing
  // of what counted is lost.
  void recovers(const Files& crashed) {
    put_back(crashed);
    CHECK(intact());
    REQUIRE(open().check());
    CHECK(intact());
    write({"next"});
    CHECK(intact());
    CHECK_THAT(log(), Catch::StartsWith(before[kLog]));
    CHECK_THAT(log(), Catch::EndsWith(format_audit_record(record_of("next"))));
    CHECK_FALSE(has("audit.log.1"));
    CHECK(said.warnings.empty());
  }

  Files before, after;
};

TEST_CASE("a writer that ends while it announces a line leaves nothing of it") {
  Crash crash;
  const std::string& chain = crash.after[kChain];
  for (std::size_t size = crash.before[kChain].size(); size < chain.size(); ++size) {
    crash.recovers(crash.with(chain.substr(0, size), crash.before[kLog]));
    CHECK(crash.log() == crash.before[kLog] + format_audit_record(record_of("next")));
  }
}

TEST_CASE("a line that was announced and never came is none") {
  Crash crash;
  crash.recovers(crash.with(crash.after[kChain], crash.before[kLog]));
  CHECK(crash.log() == crash.before[kLog] + format_audit_record(record_of("next")));
}

TEST_CASE("a line that was cut anywhere is ended, noted as cut, and no record") {
  Crash crash;
  const std::string& log = crash.after[kLog];
  for (std::size_t size = crash.before[kLog].size() + 1; size + 1 < log.size(); ++size) {
    crash.recovers(crash.with(crash.after[kChain], log.substr(0, size)));
    CHECK(crash.log() == log.substr(0, size) + "\n" + format_audit_record(record_of("next")));
    const auto verdict = crash.verify();
    REQUIRE(verdict.notes.size() == 1);
    CHECK(verdict.notes[0] == crash.path + ":3: was cut short when its writer ended, and is no record");
  }
}

TEST_CASE("a line that lacks its newline only is whole") {
  Crash crash;
  crash.recovers(crash.with(crash.after[kChain], crash.after[kLog].substr(0, crash.after[kLog].size() - 1)));
  CHECK(crash.log() == crash.after[kLog] + format_audit_record(record_of("next")));
  CHECK(crash.verify().notes.empty());
}

TEST_CASE("a writer that ends between log and head leaves the whole line") {
  Crash crash;
  crash.recovers(crash.with(crash.after[kChain], crash.after[kLog]));
  CHECK(crash.log() == crash.after[kLog] + format_audit_record(record_of("next")));
}

TEST_CASE("the end of a crashed writer's line can be crashed at any point itself") {
  Crash crash;
  const std::size_t cut = GENERATE(0, 20);
  crash.put_back(
      crash.with(crash.after[kChain], crash.after[kLog].substr(0, crash.before[kLog].size() + cut)));
  REQUIRE(crash.open().check());
  const Files ended = crash.files();
  for (std::size_t size = crash.after[kChain].size(); size <= ended.at(kChain).size(); ++size)
    crash.recovers(crash.with(ended.at(kChain).substr(0, size), ended.at(kLog)));
}

TEST_CASE("the first start can be crashed at any point") {
  AuditFixture trail;
  const bool older = GENERATE(false, true);
  if (older) write_to_file(trail.path, "{\"older\":1}\n");
  REQUIRE(trail.open().check());
  const Files started = trail.files();
  for (std::size_t size = 0; size <= started.at(kChain).size(); ++size) {
    Files crashed = started;
    crashed[kChain].resize(size);
    crashed[kHead].clear();
    trail.put_back(crashed);
    trail.write({"next"});
    CHECK(trail.intact());
    CHECK_FALSE(trail.has("audit.log.1"));
  }
}

TEST_CASE("a removed line that counted is not taken for a crash") {
  Crash crash;
  for (std::size_t size = crash.before[kLog].size(); size < crash.after[kLog].size(); ++size) {
    Files removed = crash.after;
    removed[kLog].resize(size);
    crash.put_back(removed);
    CHECK(crash.verify().outcome == Outcome::kChanged);
    crash.write({"next"});
    CHECK(crash.verify().outcome == Outcome::kChanged);
    CHECK(crash.said.count("the log was shorter than its chain") == 1);
    crash.said.lines.clear();
  }
}

TEST_CASE("a record in the place of the line that was announced is found") {
  Crash crash;
  AuditRecord shorter = record_of("x");
  shorter.request_id.clear();
  const std::string forged = format_audit_record(shorter);
  REQUIRE(forged.size() < crash.after[kLog].size() - crash.before[kLog].size());
  std::string text = forged;
  SECTION("whole") {}
  SECTION("without its newline") { text.pop_back(); }
  SECTION("with more lines") { text = "x\ny\n"; }
  crash.put_back(crash.with(crash.after[kChain], crash.before[kLog] + text));
  CHECK(crash.finding() == "audit.log:3: the line was added at the end");
  crash.write({"next"});
  CHECK(crash.verify().outcome == Outcome::kChanged);
  CHECK(crash.said.count("the log's last line was changed") == 1);
}

TEST_CASE("what is found changed is kept as it was, and the next record has a file of its own") {
  AuditFixture trail;
  trail.write({"a", "b"});
  const std::string changed = trail.lines()[0];
  write_to_file(trail.path, changed);
  trail.write({"c"});
  CHECK(text_of_file(trail.path + ".1") == changed);
  CHECK(trail.log() == format_audit_record(record_of("c")));
  CHECK(trail.said.count("run 'shed-ext audit verify'") == 1);
}

TEST_CASE("a disk that is full in the middle of a line refuses it, and the trail goes on with room") {
  AuditFixture trail;
  AuditLog audit = trail.open();
  AuditRecord large = record_of("large");
  large.reason = std::string(4000, 'x');
  REQUIRE(audit.write(record_of("a")));
  Status cut, full;
  {
    const FullDisk disk(1000);
    cut = audit.write(large);
    full = audit.write(large);
  }
  REQUIRE_FALSE(cut);
  CHECK_THAT(cut.error().text(), Catch::StartsWith(trail.path + ": "));
  CHECK_FALSE(full);
  CHECK(trail.intact());
  REQUIRE(audit.write(record_of("b")));
  CHECK(trail.intact());
  CHECK(trail.verify().notes.size() >= 1);
  CHECK(trail.lines().back() == format_audit_record(record_of("b")));
  CHECK_FALSE(trail.has("audit.log.1"));
}

TEST_CASE("wherever the disk is full, what was accepted is there and nothing is taken for a change") {
  for (rlim_t room = 0; room < 1200; room += 7) {
    AuditFixture trail;
    AuditLog audit = trail.open();
    int accepted = 0;
    {
      const FullDisk disk(room);
      for (int i = 0; i < 8; ++i) accepted += audit.write(record_of("x")) ? 1 : 0;
    }
    for (int i = 0; i < 2; ++i) REQUIRE(audit.write(record_of("y")));
    CHECK(trail.intact());
    const auto lines = trail.lines();
    CHECK(std::ranges::count(lines, format_audit_record(record_of("x"))) >= accepted);
    CHECK(std::ranges::count(lines, format_audit_record(record_of("y"))) == 2);
    CHECK_FALSE(trail.has("audit.log.1"));
  }
}

TEST_CASE("a device has a log and no chain beside it") {
  AuditLog audit("/dev/null");
  CHECK(audit.write(record_of("a")));
  CHECK_FALSE(fs::exists("/dev/null.chain"));
  CHECK_FALSE(fs::exists("/dev/null.head"));
  CHECK_FALSE(AuditLog("/dev/full").write(record_of("a")));
  CHECK_FALSE(fs::exists("/dev/audit-key"));
}

TEST_CASE("a log from before there was a chain is vouched for as it was found") {
  AuditFixture trail;
  const std::string older = "{\"one\":1}\n{\"two\":2}\n";
  write_to_file(trail.path,
                GENERATE(std::string("{\"one\":1}\n{\"two\":2}\n"), std::string("{\"one\":1}\n{\"two\":2}")));
  trail.write({"a", "b"});
  CHECK_THAT(trail.log(), Catch::StartsWith(older));
  const auto verdict = trail.verify();
  CHECK(verdict.outcome == Outcome::kIntact);
  CHECK_THAT(verdict.text, Catch::Contains(": 4 lines in 1 file"));
  REQUIRE(verdict.notes.size() == 1);
  CHECK(verdict.notes[0] == trail.path + ": the first 2 lines are older than the chain");
  auto lines = trail.lines();
  SECTION("an older line is changed") {
    lines[1][2] = '#';
    trail.write_lines(lines);
    CHECK(trail.finding() ==
          "audit.log:1: one of the first 2 lines, older than the chain, was changed or removed");
  }
  SECTION("a later line is changed") {
    lines[3][2] = '#';
    trail.write_lines(lines);
    CHECK(trail.finding() == "audit.log:4: the line was changed");
  }
}

TEST_CASE("chain, head and key are for their owner alone") {
  AuditFixture trail;
  trail.write({"a"});
  for (const char* name : {"audit.log", "audit.log.chain", "audit.log.head", "audit-key"}) {
    INFO(name);
    CHECK((fs::status(trail.folder / name).permissions() & fs::perms::all) == fs::perms(0600));
  }
  CHECK(text_of_file(trail.folder / "audit-key").size() == 32);
}

TEST_CASE("a key that others may read, or that is none, refuses every record and is left alone") {
  AuditFixture trail;
  trail.write({"a"});
  const std::string key = trail.folder / "audit-key";
  SECTION("open to others") { fs::permissions(key, fs::perms(0644)); }
  SECTION("too short") { write_to_file(key, "short"); }
  SECTION("too long") { write_to_file(key, std::string(33, 'k')); }
  SECTION("a link") {
    fs::rename(key, trail.folder / "elsewhere");
    fs::create_symlink(trail.folder / "elsewhere", key);
  }
  const auto before = trail.files();
  const Status refused = trail.open().write(record_of("b"));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().text(), Catch::StartsWith(key + ": "));
  CHECK(trail.files() == before);
  CHECK(trail.verify().outcome == Outcome::kUnverifiable);
}

TEST_CASE("links in the place of chain or head are refused") {
  AuditFixture trail;
  trail.write({"a"});
  const std::string name = GENERATE_COPY(std::string(kChain), std::string(kHead));
  fs::rename(trail.folder / name, trail.folder / "target");
  fs::create_symlink(trail.folder / "target", trail.folder / name);
  const std::string before = text_of_file(trail.folder / "target");
  CHECK_FALSE(trail.open().write(record_of("b")));
  CHECK(text_of_file(trail.folder / "target") == before);
}

TEST_CASE("two writers of one log take turns") {
  AuditFixture trail;
  AuditLog one = trail.open();
  AuditLog two = trail.open();
  for (int i = 0; i < 10; ++i) {
    REQUIRE(one.write(record_of("one")));
    REQUIRE(two.write(record_of("two")));
    if (i % 3 == 0) REQUIRE(two.write(record_of("two")));
  }
  CHECK(trail.lines().size() == 24);
  CHECK(trail.intact());
  CHECK(trail.said.warnings.empty());
}

TEST_CASE("two processes write one log through its rotations, and it is intact") {
  AuditFixture trail;
  trail.limits.most_bytes = 20'000;
  trail.limits.kept = 50;
  trail.limits.lock_limit = 20s;
  constexpr int kEach = 300;
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      AuditLog audit = trail.open();
      int failed = 0;
      for (int n = 0; n < kEach; ++n) failed += audit.write(record_of(i == 0 ? "one" : "two")) ? 0 : 1;
      ::_exit(failed == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(trail.intact());
  CHECK_THAT(trail.verify().text, Catch::Contains(fmt::format(": {} lines in ", 2 * kEach)));
  CHECK(trail.has("audit.log.2"));
}

TEST_CASE("a writer that is killed at any moment leaves a trail that is intact") {
  AuditFixture trail;
  trail.limits.most_bytes = 5'000;
  trail.limits.kept = 50;
  for (int round = 0; round < 10; ++round) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      AuditLog audit = trail.open();
      for (int n = 0;; ++n) {
        (void)audit.write(record_of("x"));
        if (n == round * 7) (void)!::write(ready[1], "x", 1);
      }
    }
    ::close(ready[1]);
    char byte;
    CHECK(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(trail.intact());
    trail.write({"after"});
    CHECK(trail.intact());
  }
  CHECK(trail.said.warnings.empty());
}

TEST_CASE("a lock that somebody else holds refuses the record in time, with the reason") {
  AuditFixture trail;
  trail.write({"a"});
  trail.limits.lock_limit = 0ms;
  const UniqueFd other(::open(trail.head.c_str(), O_RDONLY));
  REQUIRE(::flock(other.get(), LOCK_EX) == 0);
  AuditLog audit = trail.open();
  const Status refused = audit.write(record_of("b"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kTimeout);
  CHECK(refused.error().text() == trail.head + ": another process holds its lock for more than 0s");
  ::flock(other.get(), LOCK_UN);
  CHECK(audit.write(record_of("b")));
  CHECK(trail.intact());
}

}  // namespace
}  // namespace shed::broker
