#include "shed/broker/audit_report.h"

#include "audit_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

AuditEntry entry_of(const AuditRecord& record) {
  JsonDocument document;
  return *parse_audit_line(document, format_audit_record(record));
}

AuditRecord login() {
  AuditRecord record = record_of("web");
  record.detail = "ssh-ed25519";
  record.subject = "login git@github.com";
  record.proof = "verified";
  record.key = "SHA256:x509IE0Q";
  return record;
}

// Every one of these takes one column.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; })) - 1;
}

TEST_CASE("records stand in columns under their title") {
  CHECK(audit_row_title(80) == "TIME                 GUEST        ASKED      RESULT    WHAT\n");
  CHECK(audit_row(entry_of(login()), 80) ==
        "2026-03-31T15:04:05Z web          ssh sign   ok        login git@github.com, ve>\n");
  CHECK(audit_row(entry_of(login()), 120) ==
        "2026-03-31T15:04:05Z web          ssh sign   ok        login git@github.com, verified, ssh-ed25519, "
        "SHA256:x509IE0Q\n");
}

TEST_CASE("a refusal says why first") {
  AuditRecord record = login();
  record.result = "denied";
  record.code = "POLICY_DENIED";
  CHECK(audit_row(entry_of(record), 80) ==
        "2026-03-31T15:04:05Z web          ssh sign   denied    POLICY_DENIED, login git>\n");
}

TEST_CASE("a guest of a server has the server in front, and its name is cut") {
  AuditRecord record = login();
  record.server = "mini2";
  CHECK_THAT(audit_row(entry_of(record), 80), Catch::Contains(" mini2/web    ssh sign "));
  record.shed = "a-very-long-name";
  CHECK_THAT(audit_row(entry_of(record), 80), Catch::Contains(" mini2/a-ver> ssh sign "));
}

TEST_CASE("a row is one line of its width, whatever a guest is called") {
  for (const std::string& name :
       {std::string("a\nb\x1b[31m\r\t"), std::string(4000, 'x'), std::string("\xe2\x80\xae\xff"),
        std::string(
            "\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1")}) {
    AuditRecord record = login();
    record.shed = name;
    record.subject = name;
    record.ns = name;
    record.result = name;
    for (const std::size_t width : {0, 80, 81, 200}) {
      const std::string row = audit_row(entry_of(record), width);
      CHECK(row.find('\n') == row.size() - 1);
      CHECK(row.find('\x1b') == row.npos);
      CHECK(columns(row) <= std::max<std::size_t>(width, 80));
    }
  }
}

TEST_CASE("wide characters are counted as two columns") {
  AuditRecord record = login();
  record.shed = "\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1";
  CHECK_THAT(audit_row(entry_of(record), 80),
             Catch::Contains("Z \xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1\xe5\xb1\xb1>  ssh sign"));
}

TEST_CASE("a summary counts by guest and namespace, and by day and guest") {
  AuditSummary summary;
  CHECK(summary.empty());
  AuditRecord record = record_of("web");
  for (int i = 0; i < 30; ++i) summary.add(entry_of(record));
  record.result = "denied";
  for (int i = 0; i < 10; ++i) summary.add(entry_of(record));
  record = record_of("ci-7", FakeClock().wall() + std::chrono::hours(24));
  record.ns = "docker-credentials";
  record.result = "anonymous";
  summary.add(entry_of(record));
  record.result = "error";
  summary.add(entry_of(record));
  CHECK(summary.text() ==
        "GUEST                ASKED            OK     DENIED      ERROR  ANONYMOUS\n"
        "ci-7                 docker            0          0          1          1\n"
        "web                  ssh              30         10          0          0\n"
        "\n"
        "A day and a guest: # answered, x refused or failed\n"
        "2026-03-31 web          ##############################xxxxxxxxxx 40\n"
        "2026-04-01 ci-7         #x 2\n");
}

TEST_CASE("the lines of a summary fit into 80 columns") {
  AuditSummary summary;
  AuditRecord record = record_of(std::string(300, 'g'));
  record.server = "\x1b[2J";
  record.ns = std::string(300, 'n');
  for (int i = 0; i < 1000; ++i) summary.add(entry_of(record));
  std::istringstream text(summary.text());
  for (std::string line; std::getline(text, line);) {
    CHECK(line.size() <= 80);
    CHECK(line.find('\x1b') == line.npos);
  }
}

TEST_CASE("a guest that changes its name for each request does not fill the memory") {
  AuditSummary summary;
  for (int i = 0; i < 12'000; ++i) {
    AuditEntry entry;
    entry.shed = std::to_string(i);
    summary.add(entry);
  }
  const std::string text = summary.text();
  CHECK(std::ranges::count(text, '\n') < 10'100);
  CHECK(text.find("(others)" + std::string(28, ' ') + "7000 ") != text.npos);
}

}  // namespace
}  // namespace shed::broker
