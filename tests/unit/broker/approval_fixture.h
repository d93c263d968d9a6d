// An approval channel on a socket in a temporary folder, a gate on it, and approvers that the test plays.
#pragma once

#include <list>

#include "shed/broker/approval_channel.h"
#include "shed/broker/asking_gate.h"
#include "ssh_fixture.h"

namespace shed::broker::testing {

inline Approval asking(Scope scope = Scope::kPerSession) {
  Approval approval;
  approval.policy = Policy::kShedDesktop;
  approval.omitted = false;
  approval.scope = scope;
  return approval;
}

inline ApprovalQuestion login_question(std::string_view shed = "web",
                                       std::string_view subject = "login git@github.com") {
  ApprovalQuestion question;
  question.op = "sign";
  question.server = "mini2";
  question.shed = shed;
  question.detail = "SSH sign request";
  question.request_id = "0197-a";
  question.key_type = "ssh-ed25519";
  question.key = "SHA256:key";
  question.key_comment = "me@desk";
  question.subject = subject;
  if (subject.starts_with("login ")) question.proof = "verified";
  return question;
}

// The other end of the channel.
class Approver {
 public:
  Approver(async::Loop& loop, const std::string& path, bool says_hello = true) : peer(loop, path) {
    if (says_hello) hello();
  }
  void hello(int replay_events = 0) {
    send(fmt::format(
        R"({{"type":"hello","client":{{"name":"desk","version":"2.1","pid":7}},"capabilities":[],"replay_events":{}}})",
        replay_events));
  }
  bool send(std::string_view line) { return peer.send(std::string(line) + "\n"); }
  // The lines of this type that have come since the last call; those of other types are forgotten.
  std::vector<std::string> lines(std::string_view type) {
    text_ += peer.received();
    std::vector<std::string> found;
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
      std::string line = text_.substr(0, end);
      if (member(line, "type") == type) found.push_back(std::move(line));
    }
    return found;
  }
  std::string line(std::string_view type) {
    const auto found = lines(type);
    CAPTURE(std::string(type));
    REQUIRE(found.size() == 1);
    return found[0];
  }
  // The id of the one question that has come.
  std::string asked() { return member(line("approval_request"), "id"); }
  void answer(std::string_view id, std::string_view decision = "approve", std::string_view scope = "",
              std::string_view ttl = "") {
    send(fmt::format(R"({{"type":"approval_response","request_id":"{}","decision":"{}","decided_by":"me",)"
                     R"("scope":"{}","ttl":"{}"}})",
                     id, decision, scope, ttl));
  }

  net::Peer peer;

 private:
  std::string text_;
};

class ApprovalFixture {
 public:
  using Running = net::Running<Decision>;

  explicit ApprovalFixture(Approval approval = asking(), uid_t user = ::geteuid())
      : channel(loop, grants, {25s, {"ssh-agent", "docker-credentials"}, {"ssh-agent"}, user}),
        gate(loop, {channel}, grants, {approval, approval, approval}, 25s) {
    REQUIRE(channel.listen(path));
    tasks.spawn(channel.run());
    loop.poll();
  }
  ~ApprovalFixture() { tasks.cancel(); }

  Approver connect() { return {loop, path}; }
  std::unique_ptr<Running> decide(ApprovalQuestion question = login_question()) {
    return std::make_unique<Running>(loop, gate.decide(std::move(question)));
  }
  void pass(Millis time) {
    clock.advance(time);
    loop.poll();
  }

  FakeClock clock;
  async::Loop loop{clock};
  net::TemporaryFolder folder;
  LogLines log;
  std::string path = folder / "run/host-agent.sock";
  Grants grants{clock};
  ApprovalChannel channel;
  AskingGate gate;
  async::Scope tasks{loop};
};

inline void check_denied(ApprovalFixture::Running& running, std::string_view reason) {
  REQUIRE(running.done());
  CHECK_FALSE(running->approved);
  CHECK(running->reason == reason);
  CHECK(running->reason_code == "APPROVAL_DENIED");
  CHECK(running->method == "shed-desktop");
}

inline constexpr std::string_view kNobody = "no approver is connected; run shed-ext approve";
inline constexpr std::string_view kTooLate = "nobody answered within 25s";

}  // namespace shed::broker::testing
