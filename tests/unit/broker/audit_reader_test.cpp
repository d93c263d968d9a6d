#include "shed/broker/audit_reader.h"

#include "audit_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;
namespace fs = std::filesystem;

std::vector<std::string> read_all(const std::string& path, std::optional<WallTime> since = {}) {
  std::vector<std::string> lines;
  REQUIRE(read_audit_lines(path, since, [&lines](std::string_view line) { lines.emplace_back(line); }));
  return lines;
}

std::optional<AuditEntry> parse(std::string_view line) {
  JsonDocument document;
  return parse_audit_line(document, line);
}

TEST_CASE("a record is read with the fields that it has") {
  AuditRecord record = record_of("web");
  record.server = "mini2";
  record.subject = "login git@github.com";
  record.key = "SHA256:abc";
  const auto entry = parse(format_audit_record(record));
  REQUIRE(entry);
  CHECK(entry->ts == record.ts);
  CHECK(entry->server == "mini2");
  CHECK(entry->shed == "web");
  CHECK(entry->subject == "login git@github.com");
  CHECK(entry->key == "SHA256:abc");
  CHECK(entry->reason.empty());
}

TEST_CASE("what is no record is none") {
  for (const std::string_view line : {"", "{", "[]", "7", "null", "{\"ts\":\"2026\"", "\xff", "{} {}"}) {
    INFO(line);
    CHECK_FALSE(parse(line));
  }
  const auto entry = parse(R"({"ts":7,"shed":["x"],"result":null})");
  REQUIRE(entry);
  CHECK_FALSE(entry->ts);
  CHECK(entry->shed.empty());
}

TEST_CASE("a filter lets through what fits all of it") {
  const auto entry = *parse(format_audit_record(record_of("web")));
  AuditFilter filter;
  CHECK(filter.matches(entry));
  filter = {FakeClock().wall(), "web", "ssh-agent", "ok"};
  CHECK(filter.matches(entry));
  filter.since = FakeClock().wall() + 1s;
  CHECK_FALSE(filter.matches(entry));
  CHECK_FALSE(AuditFilter{{}, "we", "", ""}.matches(entry));
  CHECK_FALSE(AuditFilter{{}, "", "docker-credentials", ""}.matches(entry));
  CHECK_FALSE(AuditFilter{{}, "", "", "denied"}.matches(entry));
}

TEST_CASE("a record without a time is not since any time") {
  CHECK_FALSE(AuditFilter{WallTime{}, "", "", ""}.matches(*parse("{\"ts\":\"never\"}")));
}

TEST_CASE("since is an age or a time") {
  const WallTime now = FakeClock().wall();
  CHECK(parse_since("2h", now) == now - 2h);
  CHECK(parse_since("0", now) == now);
  CHECK(parse_since("2026-03-31T15:04:05Z", now) == now);
  for (const std::string_view text : {"", "2", "-2h", "yesterday", "2026-13-01T00:00:00Z"}) {
    INFO(text);
    CHECK_FALSE(parse_since(text, now));
  }
  CHECK(parse_since("soon", now).error().text() ==
        "'soon' is neither a duration such as 2h nor a time such as 2026-03-31T15:04:05Z");
}

TEST_CASE("a namespace has its name and a short one") {
  CHECK(parse_audit_namespace("ssh") == "ssh-agent");
  CHECK(parse_audit_namespace("aws-credentials") == "aws-credentials");
  CHECK(parse_audit_namespace("docker") == "docker-credentials");
  CHECK(parse_audit_namespace("host") == "host");
  CHECK(parse_audit_namespace("ssh-agnet").error().text() ==
        "'ssh-agnet' is none of ssh-agent, aws-credentials, docker-credentials, host, did you mean "
        "'ssh-agent'?");
}

TEST_CASE("a result is one of those that there are") {
  CHECK(parse_audit_result("denied") == "denied");
  CHECK(parse_audit_result("denid").error().text() ==
        "'denid' is none of ok, denied, error, anonymous, did you mean 'denied'?");
}

TEST_CASE("all files are read, the oldest first") {
  AuditFixture trail;
  trail.limits.most_lines = 3;
  trail.write({"a", "b", "c", "d", "e", "f", "g"});
  REQUIRE(trail.has("audit.log.2"));
  std::string sheds;
  for (const std::string& line : read_all(trail.path)) sheds += parse(line)->shed;
  CHECK(sheds == "abcdefg");
}

TEST_CASE("files that were last written before are left out") {
  AuditFixture trail;
  trail.limits.most_lines = 3;
  trail.write({"a", "b", "c", "d"});
  REQUIRE(trail.has("audit.log.1"));
  fs::last_write_time(trail.path + ".1", fs::file_time_type::clock::now() - std::chrono::hours(10));
  const std::size_t all = read_all(trail.path).size();
  CHECK(read_all(trail.path, system_clock().wall() - std::chrono::hours(11)).size() == all);
  CHECK(read_all(trail.path, system_clock().wall() - std::chrono::hours(9)).size() < all);
}

TEST_CASE("a log that is not there is said") {
  AuditFixture trail;
  const auto read = read_audit_lines(trail.path, {}, [](std::string_view) {});
  REQUIRE_FALSE(read);
  CHECK(read.error().code() == Errc::kNotFound);
  CHECK_THAT(read.error().text(), Catch::StartsWith(trail.path + ": "));
}

TEST_CASE("lines that are too long are left out and counted, and the others read") {
  AuditFixture trail;
  write_to_file(trail.path, "{}\n" + std::string(kLongestAuditLine + 1, 'x') + "\n{\"last\":1}");
  std::vector<std::string> lines;
  const auto read =
      read_audit_lines(trail.path, {}, [&lines](std::string_view line) { lines.emplace_back(line); });
  REQUIRE(read);
  CHECK(read->skipped == 1);
  CHECK(lines == std::vector<std::string>{"{}", "{\"last\":1}"});
}

TEST_CASE("lines are the same however they are cut into pieces") {
  const std::string text = "one\n\ntwo\nthree";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    LineSplitter splitter;
    std::string seen;
    const auto take = [&seen](std::string_view line) { seen.append(line).append("|"); };
    for (std::size_t at = 0; at < text.size(); at += size)
      splitter.feed(std::string_view(text).substr(at, size), take);
    splitter.finish(take);
    CHECK(seen == "one|two|three|");
  }
}

struct Followed : AuditFixture {
  // The guests of the lines that have come.
  std::string poll(AuditFollower& follower) {
    std::string sheds;
    REQUIRE(follower.poll([&sheds](std::string_view line) { sheds += parse(line)->shed; }));
    return sheds;
  }
};

TEST_CASE("following starts with what comes") {
  Followed trail;
  trail.write({"a"});
  AuditFollower follower(trail.path);
  CHECK(trail.poll(follower).empty());
  trail.write({"b", "c"});
  CHECK(trail.poll(follower) == "bc");
  CHECK(trail.poll(follower).empty());
}

TEST_CASE("following waits for a log that is not there yet, and for the end of a line") {
  Followed trail;
  AuditFollower follower(trail.path);
  CHECK(trail.poll(follower).empty());
  const std::string line = format_audit_record(record_of("a"));
  write_to_file(trail.path, line.substr(0, 20));
  CHECK(trail.poll(follower).empty());
  write_to_file(trail.path, line);
  CHECK(trail.poll(follower) == "a");
}

TEST_CASE("following goes on across rotations, several between two looks too") {
  Followed trail;
  trail.limits.most_lines = 2;
  trail.limits.kept = 10;
  trail.write({"a"});
  AuditFollower follower(trail.path);
  trail.write({"b", "c", "d", "e", "f", "g", "h"});
  REQUIRE(trail.has("audit.log.3"));
  CHECK(trail.poll(follower) == "bcdefgh");
  trail.write({"i", "j", "k"});
  CHECK(trail.poll(follower) == "ijk");
}

TEST_CASE("following starts anew with a log that was emptied or replaced") {
  Followed trail;
  trail.write({"a", "b"});
  AuditFollower follower(trail.path);
  SECTION("emptied") { write_to_file(trail.path, ""); }
  SECTION("replaced") {
    fs::rename(trail.path, trail.folder / "elsewhere");
    write_to_file(trail.path, "");
  }
  (void)trail.poll(follower);
  write_to_file(trail.path, format_audit_record(record_of("c")));
  CHECK(trail.poll(follower) == "c");
}

}  // namespace
}  // namespace shed::broker
