#include "shed/broker/audit_verify.h"

#include "audit_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;
namespace fs = std::filesystem;
using Outcome = AuditVerdict::Outcome;

struct Written : AuditFixture {
  Written() { write({"a", "b", "c", "d", "e"}); }

  // The finding, which a new start of the host agent must not make disappear.
  std::string lasting_finding() {
    const std::string found = finding();
    write({"later"});
    CHECK_FALSE(finding().empty());
    write({"much later"});
    CHECK_FALSE(finding().empty());
    return found;
  }
};

TEST_CASE("a log that nobody touched is intact, with its lines, files and head") {
  Written trail;
  const AuditVerdict verdict = trail.verify();
  REQUIRE(verdict.outcome == Outcome::kIntact);
  CHECK_THAT(verdict.text, Catch::StartsWith(trail.path + ": as written since 2026-03-31T15:04:05Z: "
                                                          "5 lines in 1 file; the head is 5:"));
  CHECK(verdict.notes.empty());
  trail.write({"f"});
  CHECK(trail.intact());
}

TEST_CASE("verify finds a changed byte wherever it is") {
  Written trail;
  const auto before = trail.files();
  const std::string log = trail.log();
  const std::size_t line = trail.lines()[0].size();
  for (std::size_t at = 0; at < log.size(); ++at) {
    std::string changed = log;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_to_file(trail.path, changed);
    if (log[at] == '\n') {
      CHECK(trail.verify().outcome == Outcome::kChanged);
    } else {
      CHECK(trail.finding() == fmt::format("audit.log:{}: the line was changed", at / line + 1));
    }
  }
  trail.put_back(before);
  CHECK(trail.intact());
}

TEST_CASE("a changed byte is found after later starts too") {
  Written trail;
  std::string log = trail.log();
  log[trail.lines()[0].size() + 5] = '#';
  write_to_file(trail.path, log);
  CHECK(trail.lasting_finding() == "audit.log:2: the line was changed");
}

TEST_CASE("verify finds a removed line") {
  Written trail;
  auto lines = trail.lines();
  lines.erase(lines.begin() + 1);
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:2: the line was removed");
}

TEST_CASE("verify finds several removed lines") {
  Written trail;
  auto lines = trail.lines();
  lines.erase(lines.begin(), lines.begin() + 3);
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:1: lines 1 to 3 were removed");
}

TEST_CASE("verify finds a removed tail of the log") {
  Written trail;
  auto lines = trail.lines();
  lines.resize(3);
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:4: lines 4 to 5 were removed from the end");
}

TEST_CASE("verify finds a removed last line") {
  Written trail;
  auto lines = trail.lines();
  lines.pop_back();
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:5: the line was removed from the end");
}

TEST_CASE("verify finds a tail that was removed from log and chain") {
  Written trail;
  auto lines = trail.lines();
  lines.resize(3);
  trail.write_lines(lines);
  write_to_file(trail.chain, text_of_file(trail.chain).substr(0, 4 * 96));
  CHECK(trail.lasting_finding() == "audit.log:4: the chain has no records of lines 4 to 5");
}

TEST_CASE("verify finds an inserted line") {
  Written trail;
  auto lines = trail.lines();
  lines.insert(lines.begin() + 2, format_audit_record(record_of("forged")));
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:3: the line was added");
}

TEST_CASE("verify finds a line that was inserted before the last one, whatever its length") {
  Written trail;
  AuditRecord forged = record_of("forged");
  forged.reason = std::string(GENERATE(0, 1, 5000), 'x');
  auto lines = trail.lines();
  lines.insert(lines.end() - 1, format_audit_record(forged));
  trail.write_lines(lines);
  CHECK(trail.finding() == "audit.log:5: the line was added");
}

TEST_CASE("verify finds a line that was added at the end") {
  Written trail;
  auto lines = trail.lines();
  lines.push_back(format_audit_record(record_of("forged")));
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:6: the line was added at the end");
}

TEST_CASE("verify finds a swapped pair") {
  Written trail;
  auto lines = trail.lines();
  std::swap(lines[1], lines[2]);
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:2: the line has changed places with line 3");
}

TEST_CASE("verify finds a pair that was swapped over a distance") {
  Written trail;
  auto lines = trail.lines();
  std::swap(lines[0], lines[4]);
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:1: the line has changed places with line 5");
}

TEST_CASE("verify finds a replaced file") {
  Written trail;
  std::vector<std::string> lines;
  for (const std::string_view shed : {"v", "w", "x", "y", "z"})
    lines.push_back(format_audit_record(record_of(shed)));
  trail.write_lines(lines);
  CHECK(trail.lasting_finding() == "audit.log:1: the file was replaced: nothing in it is what was written");
}

TEST_CASE("verify finds a removed file") {
  Written trail;
  fs::remove(trail.path);
  CHECK(trail.lasting_finding() == "audit.log:1: lines 1 to 5 were removed from the end");
}

TEST_CASE("log, chain and head of another folder are refused for their key") {
  Written trail;
  AuditFixture other;
  other.write({"v", "w"});
  for (const char* name : {"audit.log", "audit.log.chain", "audit.log.head"})
    write_to_file(trail.folder / name, text_of_file(other.folder / name));
  CHECK(trail.lasting_finding() == "audit.log.chain: was changed at its start, or made with another key");
}

TEST_CASE("log, chain and head of another log with the same key are refused") {
  Written trail;
  REQUIRE(AuditLog(trail.folder / "other.log", trail.clock).write(record_of("x")));
  for (const std::string name : {"", ".chain", ".head"})
    write_to_file(trail.folder / ("audit.log" + name), text_of_file(trail.folder / ("other.log" + name)));
  CHECK(trail.lasting_finding() == "audit.log.chain: was changed at its start, or made with another key");
}

TEST_CASE("every cut of the log is found") {
  Written trail;
  const std::string log = trail.log();
  for (std::size_t size = 0; size < log.size(); ++size) {
    write_to_file(trail.path, log.substr(0, size));
    CHECK(trail.verify().outcome == Outcome::kChanged);
  }
}

TEST_CASE("every cut of the chain is found") {
  Written trail;
  const std::string chain = text_of_file(trail.chain);
  for (std::size_t size = 0; size < chain.size(); ++size) {
    write_to_file(trail.chain, chain.substr(0, size));
    CHECK(trail.verify().outcome == Outcome::kChanged);
  }
}

TEST_CASE("every changed byte of chain and head is found") {
  Written trail;
  const std::string name = GENERATE(std::string(".chain"), std::string(".head"));
  const std::string bytes = text_of_file(trail.path + name);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    write_to_file(trail.path + name, changed);
    CHECK(trail.verify().outcome == Outcome::kChanged);
  }
}

TEST_CASE("a chain, head or key that was removed is not intact, before and after the next start") {
  Written trail;
  std::string name;
  SECTION("chain") { name = trail.chain; }
  SECTION("head") { name = trail.head; }
  SECTION("key") { name = trail.folder / "audit-key"; }
  fs::remove(name);
  CHECK(trail.verify().outcome != Outcome::kIntact);
  trail.write({"later"});
  CHECK(trail.verify().outcome == Outcome::kChanged);
}

TEST_CASE("a chain that was put back to an older state is found by its head") {
  Written trail;
  const auto before = trail.files();
  trail.write({"f", "g"});
  for (const char* name : {"audit.log", "audit.log.chain"})
    write_to_file(trail.folder / name, before.at(name));
  CHECK(trail.lasting_finding() == "audit.log:6: the chain has no records of lines 6 to 7");
}

TEST_CASE("a host agent that runs notices that everything was put back to an older state") {
  Written trail;
  AuditLog audit = trail.open();
  REQUIRE(audit.write(record_of("f")));
  const auto before = trail.files();
  REQUIRE(audit.write(record_of("g")));
  trail.put_back(before);
  REQUIRE(audit.write(record_of("h")));
  CHECK(trail.said.count("put back to an older state") == 1);
  CHECK(trail.finding() == "audit.log.1:7: the chain has no record of this line");
}

TEST_CASE("a log without a chain cannot be verified, and that is said") {
  AuditFixture trail;
  CHECK(trail.verify().outcome == Outcome::kUnverifiable);
  CHECK(trail.verify().text == trail.path + ": no such file");
  write_to_file(trail.path, "{}\n");
  CHECK(trail.verify().outcome == Outcome::kUnverifiable);
  CHECK(trail.verify().text ==
        trail.path + ": there is no chain beside it, so nothing in it can be verified");
}

TEST_CASE("verify changes nothing") {
  Written trail;
  const auto before = trail.files();
  CHECK(trail.intact());
  CHECK(trail.files() == before);
}

TEST_CASE("verify works while a host agent writes") {
  Written trail;
  AuditLog audit = trail.open();
  for (int i = 0; i < 20; ++i) {
    REQUIRE(audit.write(record_of("x")));
    CHECK(trail.intact());
  }
}

}  // namespace
}  // namespace shed::broker
