// Child processes and signals.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shed/async/event.h"
#include "shed/async/loop.h"
#include "shed/base/result.h"

namespace shed::async {

namespace detail {
struct Child;
}

struct ProcessOptions {
  std::vector<std::string> command;                // the first is looked up in the PATH of `environment`
  std::vector<std::string> environment;            // "NAME=value"; the whole environment of the child
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;  // stay the caller's; -1 is /dev/null
  std::optional<unsigned> umask;                   // the child's, where it differs from ours
  // A session and process group of its own: kill_group() reaches what the child starts, and nothing of
  // it reaches for this process's terminal.
  bool own_group = false;
};

struct ExitStatus {
  int code;    // when it exited by itself
  int signal;  // 0, or the signal that ended it
  // As a shell reports it: the code, or 128 and the signal.
  int shell_code() const { return signal != 0 ? 128 + signal : code; }
};

class Process {
 public:
  // Errc::kNotFound, kPermission when the program cannot be started; kInvalid when the command is
  // empty or a string has a NUL in it. The child starts with no signal ignored or blocked, and its
  // three descriptors are made blocking.
  static Result<Process> spawn(Loop& loop, const ProcessOptions& options);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  // Lets go of the child: it is not killed, and no longer keeps the loop running. As long as the
  // loop runs it still takes note of the child's end, so that no zombie is left.
  ~Process();

  pid_t pid() const;
  void kill(int signal);
  // The child and all that it started and that has not left its group; of a child without own_group
  // itself alone. Nothing once the child has ended: what it left behind then is on its own.
  void kill_group(int signal);
  // How the child ended; at once where it has ended already. The task outlives this object.
  Task<ExitStatus> wait();

 private:
  explicit Process(std::shared_ptr<detail::Child> child);
  void let_go();
  std::shared_ptr<detail::Child> child_;
};

// Catches a signal as long as it lives. Waiting for signals alone keeps no loop running.
class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, int signal);
  SignalWatcher(SignalWatcher&&) noexcept;
  SignalWatcher& operator=(SignalWatcher&&) noexcept;
  ~SignalWatcher();

  // The next arrival; one that came before anybody waited counts.
  Task<> wait();

 private:
  struct State;
  std::unique_ptr<State, void (*)(State*)> state_;
};

}  // namespace shed::async
