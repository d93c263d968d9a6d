#include "shed/broker/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;
namespace fs = std::filesystem;

AuditRecord some_record() {
  AuditRecord record;
  record.ts = FakeClock().wall();
  record.shed = "web";
  record.ns = "ssh-agent";
  record.op = "list";
  record.result = "ok";
  return record;
}

constexpr std::string_view kSomeLine =
    R"({"ts":"2026-03-31T15:04:05Z","shed":"web","ns":"ssh-agent","op":"list","result":"ok",)"
    R"("approval":"none","duration_us":0})"
    "\n";

mode_t mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("a record has its fields in the order of the protocol, ours behind them") {
  AuditRecord record;
  record.ts = FakeClock().wall() + 999ms;
  record.server = "mini2";
  record.shed = "web";
  record.ns = "ssh-agent";
  record.op = "sign";
  record.result = "denied";
  record.detail = "ssh-ed25519";
  record.code = "POLICY_DENIED";
  record.reason = "why not";
  record.approval = "touchid";
  record.decided_by = "somebody";
  record.scope = "per-session";
  record.ttl = "4h";
  record.key = "SHA256:abc";
  record.request_id = "0197-a";
  record.duration = 1'234'567us;
  CHECK(format_audit_record(record) ==
        R"({"ts":"2026-03-31T15:04:05Z","server":"mini2","shed":"web","ns":"ssh-agent","op":"sign",)"
        R"("result":"denied","detail":"ssh-ed25519","code":"POLICY_DENIED","reason":"why not",)"
        R"("approval":"touchid","decided_by":"somebody","scope":"per-session","ttl":"4h",)"
        R"("key":"SHA256:abc","request_id":"0197-a","duration_us":1234567})"
        "\n");
}

TEST_CASE("what a record does not have is left out") {
  CHECK(format_audit_record(some_record()) == kSomeLine);
}

TEST_CASE("a record is one line, whatever a guest is called") {
  AuditRecord record = some_record();
  record.shed = "a\nb\r\"}\x01\xff";
  record.reason = "\n{\"ts\":\"forged\"}\n";
  const std::string line = format_audit_record(record);
  CHECK(line.find('\n') == line.size() - 1);
  JsonDocument document;
  const auto root = document.parse(line);
  REQUIRE(root);
  CHECK((*root)["ts"].string_or("") == "2026-03-31T15:04:05Z");
  CHECK((*root)["shed"].string_or("") == "a\nb\r\"}\x01\xef\xbf\xbd");
}

TEST_CASE("the log is made with its directory, for its owner alone, and appended to") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "a/b/audit.log";
  AuditLog log(path);
  CHECK(log.enabled());
  CHECK(log.path() == path);
  CHECK_FALSE(fs::exists(folder / "a"));
  REQUIRE(log.write(some_record()));
  CHECK(text_of_file(path) == kSomeLine);
  REQUIRE(log.write(some_record()));
  REQUIRE(AuditLog(path).write(some_record()));
  CHECK(text_of_file(path) == std::string(kSomeLine) + std::string(kSomeLine) + std::string(kSomeLine));
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(folder / "a/b") == 0700);
}

TEST_CASE("a log that others may read is closed to them") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "audit.log";
  write_to_file(path, "before\n");
  fs::permissions(path, fs::perms(0644));
  REQUIRE(AuditLog(path).write(some_record()));
  CHECK(mode_of(path) == 0600);
  CHECK(text_of_file(path) == "before\n" + std::string(kSomeLine));
}

TEST_CASE("whether a record could be written is known before there is one") {
  const net::TemporaryFolder folder;
  AuditLog log(folder / "audit.log");
  REQUIRE(log.check());
  CHECK(text_of_file(folder / "audit.log").empty());
  CHECK(mode_of(folder / "audit.log") == 0600);
  CHECK_FALSE(AuditLog(folder / "audit.log/below").check());
}

TEST_CASE("a log that is switched off writes nothing and refuses nothing") {
  AuditLog log("");
  CHECK_FALSE(log.enabled());
  CHECK(log.check());
  CHECK(log.write(some_record()));
}

TEST_CASE("what is no file of ours to append to is refused by name and left alone") {
  const net::TemporaryFolder folder;
  const std::string target = folder / "target";
  write_to_file(target, "mine\n");
  std::string path = folder / "audit.log";
  SECTION("a link") { fs::create_symlink(target, path); }
  SECTION("a directory") { fs::create_directory(path); }
  SECTION("a FIFO that nobody reads") { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
  SECTION("below a file") { path = folder / "target/audit.log"; }
  SECTION("in a directory that others may write to") {
    fs::create_directory(folder / "open");
    fs::permissions(folder / "open", fs::perms(0777));
    path = folder / "open/audit.log";
  }
  AuditLog log(path);
  const Status status = log.write(some_record());
  REQUIRE_FALSE(status);
  CHECK_THAT(status.error().text(), Catch::StartsWith(folder / ""));
  CHECK_FALSE(log.write(some_record()));
  CHECK(text_of_file(target) == "mine\n");
}

TEST_CASE("a FIFO that somebody reads is refused as well") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "audit.log";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  const Status status = AuditLog(path).write(some_record());
  REQUIRE_FALSE(status);
  CHECK(status.error().text() == path + ": not a file that can be appended to");
}

TEST_CASE("a device that is full refuses every record") {
  AuditLog log("/dev/full");
  for (int i = 0; i < 3; ++i) {
    const Status status = log.write(some_record());
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().text(), Catch::StartsWith("/dev"));
  }
}

TEST_CASE("a record that was cut by a full disk is refused, and the next one has a line of its own") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "audit.log";
  AuditLog log(path);
  REQUIRE(log.write(some_record()));
  AuditRecord large = some_record();
  large.reason = std::string(4000, 'x');
  Status cut, full;
  {
    const FullDisk disk(1000);
    cut = log.write(large);
    full = log.write(large);
  }
  REQUIRE_FALSE(cut);
  CHECK_THAT(cut.error().text(), Catch::StartsWith(path + ": "));
  CHECK_FALSE(full);
  REQUIRE(log.write(some_record()));
  REQUIRE(log.write(some_record()));
  const std::string piece = format_audit_record(large).substr(0, 1000 - kSomeLine.size());
  CHECK(text_of_file(path) ==
        std::string(kSomeLine) + piece + "\n" + std::string(kSomeLine) + std::string(kSomeLine));
}

TEST_CASE("a log that was removed or moved away is made anew") {
  const net::TemporaryFolder folder;
  const LogLines said;
  const std::string path = folder / "audit.log";
  AuditLog log(path);
  REQUIRE(log.write(some_record()));
  SECTION("removed") { fs::remove(path); }
  SECTION("moved") { fs::rename(path, folder / "audit.log.1"); }
  SECTION("replaced") {
    fs::rename(path, folder / "audit.log.1");
    write_to_file(path, "");
  }
  REQUIRE(log.write(some_record()));
  CHECK(text_of_file(path) == kSomeLine);
  CHECK(mode_of(path) == 0600);
}

TEST_CASE("a link that takes the log's place is refused") {
  const net::TemporaryFolder folder;
  const std::string path = folder / "audit.log";
  AuditLog log(path);
  REQUIRE(log.write(some_record()));
  fs::rename(path, folder / "moved");
  fs::create_symlink(folder / "moved", path);
  CHECK_FALSE(log.write(some_record()));
  CHECK(text_of_file(folder / "moved") == kSomeLine);
}

TEST_CASE("a path without a directory is a file where we are") {
  const net::TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder / "");
  const Status status = AuditLog("audit.log").write(some_record());
  fs::current_path(before);
  REQUIRE(status);
  CHECK(text_of_file(folder / "audit.log") == kSomeLine);
}

}  // namespace
}  // namespace shed::broker
