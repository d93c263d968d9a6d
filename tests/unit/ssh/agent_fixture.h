// Both ends of agent connections, driven by hand: a service that answers what it is told to, a client
// that sends any bytes, and an agent with a script.
#pragma once

#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "key_fixture.h"
#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/log.h"
#include "shed/net/listener.h"
#include "shed/ssh/agent_protocol.h"
#include "shed/ssh/agent_session.h"

namespace shed::ssh::test {

// Collects log lines while it lives.
class LogLines {
 public:
  LogLines();
  ~LogLines();
  LogLines(const LogLines&) = delete;

  // How many lines have this text in them.
  std::size_t count(std::string_view text) const;
  std::vector<std::string> lines;
};

std::string key_blob(std::string_view type, char fill = 'k');
inline std::string ed25519_blob(char fill = 'k') { return key_blob("ssh-ed25519", fill); }
SessionBind make_bind(int number, bool forwarding = true);
// The contents of a frame; fails the test for what is not exactly one.
std::string message_of(const std::string& frame);
std::string frame_of(std::string_view message);
std::string extension_message(std::string_view name, std::string_view contents);
std::string bind_message(const SessionBind& bind);

// The descriptors this process has open.
std::size_t open_descriptors();

class FakeService : public AgentService {
 public:
  explicit FakeService(async::Loop& loop) : open_gate(loop) { open_gate.set(); }

  async::Task<Result<std::vector<Identity>>> list(const std::vector<SessionBind>& binds) override;
  async::Task<Result<Signature>> sign(SignRequest request) override;

  Result<std::vector<Identity>> identities = std::vector<Identity>{};
  Result<Signature> signature = Signature{"ssh-ed25519", std::string(64, 's'), ""};
  async::Event open_gate;  // operations wait here
  std::size_t under_way = 0;
  std::vector<std::vector<SessionBind>> lists;  // the binds of each list
  std::vector<SignRequest> signs;
};

// The client's end of a socket pair, or of a connection to a path.
class RawClient {
 public:
  // `other` gets the server's end.
  explicit RawClient(UniqueFd& other);
  explicit RawClient(const std::string& path);

  void send(std::string_view bytes);
  // What has come, without waiting.
  std::string received();
  // Whether the server has closed, with nothing left to read.
  bool sees_end();
  void stop_sending();
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

// An agent on a socket in the test's folder, on the same loop. Each message is answered by `answer`;
// nothing at all when that returns nothing, and the end of the connection when it returns "".
class ScriptedAgent {
 public:
  using Answer = std::function<std::optional<std::string>(std::string_view message)>;
  ScriptedAgent(async::Loop& loop, std::string path, Answer answer);

  std::size_t connections = 0;  // that were accepted
  std::size_t open_connections = 0;
  std::size_t most_connections = 0;  // at one time
  std::vector<std::string> messages;

 private:
  async::Task<> serve();
  async::Task<> serve_one(async::Stream stream);
  Answer answer_;
  net::Listener listener_;
  async::Scope scope_;
};

// A task that runs until it is done or the object goes, and its result.
template <class T>
class Running {
 public:
  Running(async::Loop& loop, async::Task<T> task) : scope_(loop) {
    scope_.spawn(store(std::move(task), result));
  }
  std::optional<T> result;

 private:
  static async::Task<> store(async::Task<T> task, std::optional<T>& slot) {
    slot.emplace(co_await std::move(task));
  }
  async::Scope scope_;
};

}  // namespace shed::ssh::test
