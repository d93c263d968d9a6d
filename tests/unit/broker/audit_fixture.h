// An audit log in a temporary folder: its files as texts, to be put back, cut and changed.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <map>
#include <sstream>

#include "shed/broker/audit_log.h"
#include "shed/broker/audit_verify.h"
#include "ssh_fixture.h"

namespace shed::broker::testing {

inline AuditRecord record_of(std::string_view shed, WallTime ts = FakeClock().wall()) {
  AuditRecord record;
  record.ts = ts;
  record.shed = shed;
  record.ns = "ssh-agent";
  record.op = "sign";
  record.result = "ok";
  record.request_id = shed;
  return record;
}

// A disk that is full from this many bytes a file on.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

struct AuditFixture {
  AuditLog open() { return AuditLog(path, clock, limits); }
  // One record for each name, by one process.
  void write(std::initializer_list<std::string_view> sheds) {
    AuditLog audit = open();
    for (const std::string_view shed : sheds) REQUIRE(audit.write(record_of(shed)));
  }
  AuditVerdict verify() const { return verify_audit_log(path, limits); }
  bool intact() const {
    const AuditVerdict verdict = verify();
    INFO(verdict.text);
    CHECK(verdict.outcome == AuditVerdict::Outcome::kIntact);
    return verdict.outcome == AuditVerdict::Outcome::kIntact;
  }
  // What verify says about a log that was changed, without the folder's name.
  std::string finding() const {
    const AuditVerdict verdict = verify();
    INFO(verdict.text);
    CHECK(verdict.outcome == AuditVerdict::Outcome::kChanged);
    std::string text = verdict.text;
    for (auto at = text.find(folder / ""); at != text.npos; at = text.find(folder / ""))
      text.erase(at, (folder / "").size());
    return text;
  }

  std::string log() const { return text_of_file(path); }
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::istringstream text(log());
    for (std::string line; std::getline(text, line);) lines.push_back(line + '\n');
    return lines;
  }
  void write_lines(const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line;
    write_to_file(path, text);
  }
  // Every file of the folder, by name.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder / ""))
      files[entry.path().filename().string()] = text_of_file(entry.path().string());
    return files;
  }
  void put_back(const std::map<std::string, std::string>& files) const {
    for (const auto& entry : std::filesystem::directory_iterator(folder / ""))
      std::filesystem::remove(entry.path());
    for (const auto& [name, text] : files) {
      write_to_file(folder / name, text);
      std::filesystem::permissions(folder / name, std::filesystem::perms(0600));
    }
  }
  std::string text_of_kept() const { return text_of_file(path + ".1"); }
  bool has(std::string_view name) const { return std::filesystem::exists(folder / name); }

  net::TemporaryFolder folder;
  LogLines said;
  FakeClock clock;
  AuditLimits limits;
  std::string path = folder / "audit.log";
  std::string chain = folder / "audit.log.chain";
  std::string head = folder / "audit.log.head";
};

}  // namespace shed::broker::testing
