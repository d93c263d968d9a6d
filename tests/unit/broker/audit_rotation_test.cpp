#include "audit_fixture.h"
#include "broker/audit_chain.h"

namespace shed::broker {
namespace {

using namespace testing;
namespace fs = std::filesystem;
using Outcome = AuditVerdict::Outcome;
using Files = std::map<std::string, std::string>;

// Files of three records each.
struct Rotating : AuditFixture {
  Rotating() { limits.most_bytes = 3 * format_audit_record(record_of("0")).size(); }

  void write_records(int count) {
    AuditLog audit = open();
    for (int i = 0; i < count; ++i)
      REQUIRE(audit.write(record_of(std::string(1, static_cast<char>('0' + next_++ % 10)))));
  }
  std::string text_of(std::string_view name) const { return text_of_file(folder / name); }

 private:
  int next_ = 0;
};

TEST_CASE("a log that is large enough goes on in a new file, and the chain with it") {
  Rotating trail;
  trail.write_records(7);
  CHECK(trail.text_of("audit.log.1") == format_audit_record(record_of("0")) +
                                            format_audit_record(record_of("1")) +
                                            format_audit_record(record_of("2")));
  CHECK(trail.text_of("audit.log.2") == format_audit_record(record_of("3")) +
                                            format_audit_record(record_of("4")) +
                                            format_audit_record(record_of("5")));
  CHECK(trail.log() == format_audit_record(record_of("6")));
  CHECK_THAT(trail.verify().text, Catch::Contains(": 7 lines in 3 files;"));
  CHECK((fs::status(trail.path).permissions() & fs::perms::all) == fs::perms(0600));
}

TEST_CASE("a log that is old enough goes on in a new file") {
  AuditFixture trail;
  AuditLog audit = trail.open();
  REQUIRE(audit.write(record_of("a")));
  trail.clock.advance(std::chrono::hours(30 * 24) - 1s);
  REQUIRE(audit.write(record_of("b")));
  CHECK_FALSE(trail.has("audit.log.1"));
  SECTION("in the same process") {
    trail.clock.advance(1s);
    REQUIRE(audit.write(record_of("c")));
  }
  SECTION("after a new start") {
    trail.clock.advance(1s);
    trail.write({"c"});
  }
  CHECK(trail.text_of_kept() == format_audit_record(record_of("a")) + format_audit_record(record_of("b")));
  CHECK(trail.log() == format_audit_record(record_of("c")));
  CHECK(trail.intact());
}

TEST_CASE("a log with many lines goes on in a new file") {
  AuditFixture trail;
  trail.limits.most_lines = 3;
  trail.write({"a", "b", "c", "d"});
  CHECK(trail.log() == format_audit_record(record_of("d")));
  CHECK(trail.intact());
}

TEST_CASE("a clock that jumps removes nothing and rotates no empty file") {
  AuditFixture trail;
  AuditLog audit = trail.open();
  REQUIRE(audit.check());
  trail.clock.set_wall(WallTime(std::chrono::hours(24 * 365 * 200)));
  REQUIRE(audit.write(record_of("a")));
  CHECK_FALSE(trail.has("audit.log.1"));
  trail.clock.set_wall(WallTime{});
  REQUIRE(audit.write(record_of("b")));
  CHECK_FALSE(trail.has("audit.log.1"));
  CHECK(trail.intact());
}

TEST_CASE("five files are kept beside the one that is written to, and the chain still holds") {
  Rotating trail;
  trail.write_records(3 * 9);
  CHECK_FALSE(trail.has("audit.log.3"));
  CHECK_FALSE(trail.has("audit.log.3.chain"));
  for (int number = 4; number <= 8; ++number) CHECK(trail.has(fmt::format("audit.log.{}", number)));
  CHECK_THAT(trail.verify().text, Catch::Contains(": 18 lines in 6 files;"));
  CHECK_THAT(trail.verify().text, Catch::Contains("the head is 27:"));
}

TEST_CASE("a file of another's with such a name is neither taken nor removed") {
  Rotating trail;
  write_to_file(trail.folder / "audit.log.1", "mine\n");
  write_to_file(trail.folder / "audit.log.1.gz", "mine\n");
  trail.write_records(3 * 9);
  CHECK(trail.text_of("audit.log.1") == "mine\n");
  CHECK(trail.has("audit.log.9"));
  CHECK(trail.intact());
}

TEST_CASE("a change in any file that is kept is found, and the file named") {
  Rotating trail;
  trail.write_records(10);
  std::string finding;
  SECTION("a changed byte") {
    std::string text = trail.text_of("audit.log.2");
    text[text.find('\n') + 3] = '#';
    write_to_file(trail.folder / "audit.log.2", text);
    finding = "audit.log.2:2: the line was changed";
  }
  SECTION("a removed tail") {
    write_to_file(trail.folder / "audit.log.2", format_audit_record(record_of("3")));
    finding = "audit.log.2:2: lines 2 to 3 were removed from the end";
  }
  SECTION("a removed tail of log and chain") {
    write_to_file(trail.folder / "audit.log.2", format_audit_record(record_of("3")));
    write_to_file(trail.folder / "audit.log.2.chain", trail.text_of("audit.log.2.chain").substr(0, 2 * 96));
    finding = "audit.log.2:2: the chain has no records of lines 2 to 3";
  }
  SECTION("an added line") {
    write_to_file(trail.folder / "audit.log.2", trail.text_of("audit.log.2") + "{}\n");
    finding = "audit.log.2:4: the line was added at the end";
  }
  SECTION("a removed file") {
    fs::remove(trail.folder / "audit.log.2");
    finding = "audit.log.2:1: lines 1 to 3 were removed from the end";
  }
  SECTION("a file that was removed with its chain") {
    fs::remove(trail.folder / "audit.log.2");
    fs::remove(trail.folder / "audit.log.2.chain");
    finding = "audit.log.1:4: the chain has no records of lines 4 to 6";
  }
  SECTION("the oldest file, removed with its chain") {
    fs::remove(trail.folder / "audit.log.1");
    fs::remove(trail.folder / "audit.log.1.chain");
    finding = "audit.log.2: the files before it were removed";
  }
  SECTION("two files that have changed places") {
    for (const std::string tail : {"", ".chain"}) {
      fs::rename(trail.folder / ("audit.log.1" + tail), trail.folder / "between");
      fs::rename(trail.folder / ("audit.log.2" + tail), trail.folder / ("audit.log.1" + tail));
      fs::rename(trail.folder / "between", trail.folder / ("audit.log.2" + tail));
    }
    finding = "audit.log.1: the files before it were removed";
  }
  CHECK(trail.finding() == finding);
  trail.write_records(1);
  CHECK(trail.finding() == finding);
}

// Rotation renames two files and makes two; the head is written before and after.
struct HalfRotated : Rotating {
  HalfRotated() {
    write_records(3);
    before = files();
    write_records(1);
    after = files();
  }
  void recovers(const Files& crashed) {
    put_back(crashed);
    CHECK(intact());
    REQUIRE(open().check());
    CHECK(intact());
    write_records(1);
    CHECK(intact());
    CHECK(text_of("audit.log.1") == after.at("audit.log.1"));
    CHECK(said.warnings.empty());
  }
  // With the record of the rotation in the chain, of which the first `size` bytes are there.
  Files announced(std::size_t size) const {
    Files crashed = before;
    crashed["audit.log.chain"] =
        after.at("audit.log.1.chain").substr(0, before.at("audit.log.chain").size() + size);
    return crashed;
  }
  // And the head that says so: what it was in between.
  Files closing() {
    Files crashed = announced(96);
    const auto key = ChainKey::load(folder / "audit-key", "audit.log");
    REQUIRE(key);
    ChainHead sealed = *key->open_head(before.at("audit.log.head"));
    ++sealed.records;
    sealed.closing = 1;
    const std::string chain_text = crashed.at("audit.log.chain");
    std::string_view(chain_text).substr(chain_text.size() - 32).copy(sealed.mac.data(), 32);
    crashed["audit.log.head"] = *key->seal(sealed);
    return crashed;
  }

  Files before, after;
};

TEST_CASE("a rotation whose announcement was cut off begins anew") {
  HalfRotated trail;
  for (std::size_t size = 0; size <= 96; ++size) {
    trail.put_back(trail.before);
    Files crashed = trail.announced(size);
    trail.recovers(crashed);
  }
}

TEST_CASE("a rotation is finished by the next start, whichever step it ended at") {
  HalfRotated trail;
  Files crashed = trail.closing();
  const auto move = [&crashed](const std::string& from, const std::string& to) {
    crashed[to] = crashed.at(from);
    crashed.erase(from);
  };
  SECTION("before the files were renamed") { trail.recovers(crashed); }
  SECTION("after the log was renamed") {
    move("audit.log", "audit.log.1");
    trail.recovers(crashed);
  }
  SECTION("after both were renamed") {
    move("audit.log", "audit.log.1");
    move("audit.log.chain", "audit.log.1.chain");
    trail.recovers(crashed);
  }
  SECTION("while the new chain was begun") {
    move("audit.log", "audit.log.1");
    move("audit.log.chain", "audit.log.1.chain");
    crashed["audit.log"] = "";
    for (std::size_t size = 0; size <= 96; ++size) {
      crashed["audit.log.chain"] = trail.after.at("audit.log.chain").substr(0, size);
      trail.recovers(crashed);
    }
  }
}

TEST_CASE("lines that are added while a rotation is not finished are found") {
  HalfRotated trail;
  Files crashed = trail.closing();
  crashed["audit.log.1"] = crashed.at("audit.log");
  crashed["audit.log"] = "{}\n";
  trail.put_back(crashed);
  CHECK(trail.finding() == "audit.log:1: the line was added");
  trail.write_records(1);
  CHECK(trail.verify().outcome == Outcome::kChanged);
}

TEST_CASE("lines that are removed while a rotation is not finished are found") {
  HalfRotated trail;
  Files crashed = trail.closing();
  crashed["audit.log"] = format_audit_record(record_of("0"));
  trail.put_back(crashed);
  CHECK(trail.finding() == "audit.log:2: lines 2 to 3 were removed from the end");
  trail.write_records(1);
  CHECK(trail.verify().outcome == Outcome::kChanged);
}

}  // namespace
}  // namespace shed::broker
