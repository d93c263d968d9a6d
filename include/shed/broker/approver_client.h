// Connects an ApproverDesk to the host agent's approval channel, and again when the connection is lost.
#pragma once

#include <string>

#include "shed/async/event.h"
#include "shed/async/task.h"
#include "shed/broker/approver_desk.h"

namespace shed::broker {

class LineConnection;  // src/broker/line_connection.h

class ApproverClient {
 public:
  static constexpr Millis kConnectLimit{5'000};
  static constexpr Millis kHelloLimit{5'000};
  // The host agent pings every 10 s: one that says nothing for so long is gone.
  static constexpr Millis kSilenceLimit{35'000};
  static constexpr Millis kFirstPause{250}, kLongestPause{5'000};  // between attempts; doubled each time
  static constexpr int kReplay = 100;                              // events

  // Loop and desk must outlive it.
  ApproverClient(async::Loop& loop, ApproverDesk& desk, std::string socket);
  ApproverClient(const ApproverClient&) = delete;
  ApproverClient& operator=(const ApproverClient&) = delete;
  ~ApproverClient() { desk_.lost("stopped"); }

  // Until the desk's link is kRefused, or the task is dropped.
  async::Task<> run();
  // Nothing more is answered: waits until all that was is written, for `limit` at most. False when it was
  // not.
  async::Task<bool> finish(Millis limit);

  // Set when the desk has changed; who waits resets it.
  async::Event& changed() { return changed_; }

 private:
  async::Task<Error> converse();
  async::Task<Error> read(LineConnection& lines);
  async::Task<> write(LineConnection& lines);

  async::Loop& loop_;
  ApproverDesk& desk_;
  std::string socket_;
  async::Event changed_;
  async::Event written_;
  LineConnection* lines_ = nullptr;
};

}  // namespace shed::broker
