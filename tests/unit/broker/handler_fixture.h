// The SSH handler between a fake backend and a fake gate, with a log in a temporary folder.
#pragma once

#include "shed/broker/ssh_handler.h"
#include "shed/broker/ssh_payload.h"
#include "ssh_fixture.h"

namespace shed::broker::testing {

inline std::string sign_payload_for(const std::string& key_blob, std::uint32_t flags = 0,
                                    std::vector<ssh::SessionBind> binds = {}) {
  ssh::SignRequest request;
  request.key_blob = key_blob;
  request.data = "data";
  request.flags = flags;
  request.binds = std::move(binds);
  return encode_sign_payload(request);
}

struct HandlerFixture {
  explicit HandlerFixture(std::string log_path = {})
      : audit_path(log_path.empty() ? folder / "log/audit.log" : std::move(log_path)),
        audit(audit_path),
        subjects(loop, {folder / "known_hosts"}),
        handler(clock, backend, gate, audit, subjects, {"", 25s}) {}

  net::Running<std::string> start(std::string_view payload) {
    return net::Running<std::string>(
        loop, handler.handle({"0197-a", "ssh-agent", std::string(payload), {"web", "vz", server}}));
  }
  std::string ask(std::string_view payload) {
    auto answer = start(payload);
    REQUIRE(answer.done());
    return *answer;
  }
  // The lines of the log.
  std::vector<std::string> records() const {
    std::vector<std::string> lines;
    std::ifstream file(audit_path);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  std::string last_record() const {
    const auto lines = records();
    REQUIRE_FALSE(lines.empty());
    return lines.back();
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  FakeBackend backend{loop};
  FakeGate gate{loop};
  std::string server = "mini2";
  std::string audit_path;
  AuditLog audit;
  SubjectReader subjects;
  SshHandler handler;
};

}  // namespace shed::broker::testing
