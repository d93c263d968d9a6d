// How many records a second the audit log takes, each with its record in the chain:
//
//   audit_bench FOLDER
#include "measure.h"
#include "shed/broker/audit_log.h"

namespace shed::bench {
namespace {

constexpr int kRounds = 5;
constexpr int kRecords = 20'000;  // through a rotation in each round but the first

broker::AuditRecord typical_record() {
  broker::AuditRecord record;
  record.ts = system_clock().wall();
  record.server = "mini2";
  record.shed = "web";
  record.ns = "ssh-agent";
  record.op = "sign";
  record.result = "ok";
  record.detail = "ssh-ed25519";
  record.approval = "approve-all";
  record.key = "SHA256:x509IE0QbuG1yQWGgxbCBTUbEvTwmbCrSI3hRmMVbsk";
  record.subject = "login git@github.com";
  record.proof = "verified";
  record.request_id = "01a20391-5dca-7ddd-933c-83aaf6b7f001";
  record.duration = std::chrono::microseconds(724);
  return record;
}

}  // namespace
}  // namespace shed::bench

int main(int argc, char** argv) {
  using namespace shed::bench;
  if (argc != 2) die("usage: audit_bench FOLDER");
  shed::broker::AuditLog audit(std::string(argv[1]) + "/bench/audit.log");
  const shed::broker::AuditRecord record = typical_record();
  std::vector<double> rates;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < kRecords; ++i) {
      if (const auto written = audit.write(record); !written) die(written.error().text());
    }
    rates.push_back(kRecords / microseconds_since(start) * 1e6);
  }
  report("audit_rate", median(rates));
  return 0;
}
