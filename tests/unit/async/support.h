// What the tests of this room share.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "shed/async/event.h"
#include "shed/async/loop.h"
#include "shed/async/scope.h"
#include "shed/base/file.h"
#include "support/fake_clock.h"

namespace shed::async {

using Trace = std::vector<std::string>;

// Notes its own end, so that a test sees what was destroyed, and in which order.
class Mark {
 public:
  Mark(Trace& trace, std::string name) : trace_(trace), name_(std::move(name)) {}
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() { trace_.push_back("~" + name_); }

 private:
  Trace& trace_;
  std::string name_;
};

// A loop whose time stands still.
struct LoopFixture {
  FakeClock clock;
  Loop loop{clock};

  void advance(Millis by) {
    clock.advance(by);
    loop.poll();
  }
};

inline Task<> wait_then_note(Event& event, Trace& trace, std::string name) {
  const Mark mark(trace, name);
  auto wait = event.wait();
  co_await wait;
  trace.push_back(name);
}

inline std::pair<UniqueFd, UniqueFd> socket_pair() {
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline std::pair<UniqueFd, UniqueFd> make_pipe() {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  fcntl(fds[1], F_SETFD, FD_CLOEXEC);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/dev/fd"), std::filesystem::directory_iterator());
}

// True when the function ends its process with abort(). Runs in a child.
inline bool aborts(const std::function<void()>& function) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    function();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace shed::async
