// host-agent.sock: whoever approves connects here, is asked, and sees what is recorded (protocol.md
// section 9). One approver at a time; the newest one takes over.
//
// Beside what the protocol has, the lines of the channel are (ours):
//
//   approver -> agent  list_grants                    answered by grants
//                      revoke  id | all:true          ends one grant, or all; answered by grants
//   agent -> approver  grants  v, id, ts, grants[]: id, namespace, op, server, shed, key, subject, proof,
//                              scope, ttl, decided_by, granted_at, expires_at, uses; what is empty is absent.
//                              subject is what is signed, the role or the registry; absent when it is
//                              anything that is done with the key
//   approval_request   also has key_type, key, key_comment, subject, proof, request_id (absent when empty)
//   and
//                      count, how often this guest has asked for the same
//
// In an answer `scope` is per-request, per-session or per-shed (grants.h), without one it is for this
// request alone; `ttl` is a duration such as 30m, without one it is session_ttl.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/async/scope.h"
#include "shed/base/log.h"
#include "shed/broker/approval.h"
#include "shed/broker/audit_log.h"
#include "shed/broker/grants.h"
#include "shed/broker/person.h"
#include "shed/net/listener.h"

namespace shed::broker {

struct PersonsAnswer;  // src/broker/approval_lines.h

struct ApprovalChannelOptions {
  Millis approval_timeout{25'000};                // what approvers are told
  std::vector<std::string_view> namespaces;       // that are served
  std::vector<std::string_view> gate_namespaces;  // that ask here
  uid_t user = ::geteuid();                       // who may connect, beside root
};

class ApprovalChannel : public Person {
 public:
  static constexpr Millis kHelloLimit{2'000};
  static constexpr Millis kPingInterval{10'000};
  static constexpr int kMissedPongs = 2;        // then the approver is dropped
  static constexpr std::size_t kMaxSilent = 8;  // connections without a hello; more wait in the listen queue
  static constexpr std::size_t kReplay = 100;   // events
  // Events are not sent while so many bytes wait for the approver: a guest that asks without end must not
  // make it too slow for questions. All of them are in the audit log.
  static constexpr std::size_t kRoomForEvents = std::size_t{256} * 1024;

  // Nobody can connect before listen(). Loop and grants must outlive it.
  ApprovalChannel(async::Loop& loop, Grants& grants, ApprovalChannelOptions options);
  ApprovalChannel(const ApprovalChannel&) = delete;
  ApprovalChannel& operator=(const ApprovalChannel&) = delete;
  // Drops all connections, and denies what is open.
  ~ApprovalChannel() override;

  // Makes the directory (0700) and the socket (0600). Errors as net::Listener::open() has them.
  Status listen(const std::string& path);
  // Serves until the task is dropped.
  async::Task<> run();

  std::string_view method() const override { return policy_name(Policy::kShedDesktop); }
  // Empty: an approver may connect at any time.
  std::string why_nobody() const override { return {}; }
  // Asks the approver. Denied at once without one, and when too much is open; denied when `limit` passes,
  // when the approver leaves, is dropped or superseded.
  async::Task<Answer> ask(ApprovalQuestion question, std::uint64_t count, Millis limit) override;
  // Tells the approver, and later ones that want to know, of a record.
  void publish(const AuditRecord& record);

  const std::string& path() const { return path_; }  // empty before listen()
  bool has_approver() const { return current_ != nullptr; }
  std::string_view approver_name() const;
  std::string_view approver_version() const;
  std::size_t open_questions() const { return open_.size(); }
  // Answers to questions that were not asked, or not of who answered, or answered already.
  std::uint64_t stray_answers() const { return stray_answers_; }

 private:
  class Session;
  class OpenQuestion;

  bool is_welcome(const async::Stream& stream);
  async::Task<> serve(std::unique_ptr<Session> connection);
  void take_over(Session& session, std::size_t replay_events);
  async::Task<> read(Session& session);
  async::Task<> write(Session& session);
  async::Task<> ping(Session& session);
  // False for what no approver sends.
  Status take(Session& session, std::string_view line);
  void answer(const Session& session, PersonsAnswer given);
  void send(Session& session, std::string_view line);
  // Ends the connection and denies what it was asked. `reason` is for guests and the log.
  void let_go(Session& session, std::string_view reason);
  void deny(const Session* session, std::string_view reason);
  std::string why_not_now(const ApprovalQuestion& question) const;
  void warn(std::string_view cause, std::string_view text);

  async::Loop& loop_;
  Grants& grants_;
  ApprovalChannelOptions options_;
  log::Limiter limiter_;
  std::string path_;
  std::optional<net::Listener> listener_;
  Session* current_ = nullptr;
  std::vector<OpenQuestion*> open_;
  std::deque<std::string> events_;  // lines, the newest last
  std::uint64_t stray_answers_ = 0;
  std::size_t silent_ = 0;
  async::Event room_;  // for another connection
  async::Scope connections_;
};

// In the status socket's directory.
std::string default_approval_socket();

// What a person types to answer what is asked at this socket, quoted for a shell where it has to be.
std::string approve_command(std::string_view socket);

}  // namespace shed::broker
