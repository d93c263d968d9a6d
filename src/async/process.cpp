#include "shed/async/process.h"

#include <signal.h>
#include <sys/stat.h>
#include <uv.h>

#include <algorithm>

#include "async/handles.h"

namespace shed::async {

// Shared between the owner and libuv, which reports the exit when it comes.
struct detail::Child {
  explicit Child(Loop& loop) : exited(loop) { process.data = this; }

  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&process); }
  void on_exit(int code, int signal) {
    status = {code, signal};
    exited.set();
    close();
  }
  void close() {
    uv_close(handle(), [](uv_handle_t* closed) { static_cast<Child*>(closed->data)->until_closed.reset(); });
  }

  uv_process_t process{};
  Event exited;
  ExitStatus status{};
  bool own_group = false;
  std::shared_ptr<Child> until_closed;  // libuv's share
};

using detail::Child;

void close_process(uv_handle_s* handle) { static_cast<Child*>(handle->data)->close(); }

namespace {

bool has_nul(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [](const std::string& text) { return text.find('\0') != std::string::npos; });
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

uv_stdio_container_t inherit(int fd) {
  uv_stdio_container_t container{};
  container.flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
  container.data.fd = fd;
  return container;
}

// The child inherits the mask, and libuv has no option for it. The pool's threads create no files.
class OtherUmask {
 public:
  explicit OtherUmask(std::optional<unsigned> mask) : changed_(mask.has_value()) {
    if (changed_) own_ = ::umask(*mask);
  }
  OtherUmask(const OtherUmask&) = delete;
  OtherUmask& operator=(const OtherUmask&) = delete;
  ~OtherUmask() {
    if (changed_) ::umask(own_);
  }

 private:
  const bool changed_;
  mode_t own_ = 0;
};

int spawn_child(Loop& loop, Child& child, const ProcessOptions& options) {
  auto arguments = pointers(options.command);
  auto environment = pointers(options.environment);
  uv_stdio_container_t stdio[] = {inherit(options.stdin_fd), inherit(options.stdout_fd),
                                  inherit(options.stderr_fd)};
  uv_process_options_t native{};
  native.file = arguments[0];
  native.args = arguments.data();
  native.env = environment.data();
  native.stdio = stdio;
  native.stdio_count = 3;
  if (options.own_group) native.flags = UV_PROCESS_DETACHED;
  native.exit_cb = [](uv_process_t* process, std::int64_t code, int signal) {
    static_cast<Child*>(process->data)->on_exit(static_cast<int>(code), signal);
  };
  const OtherUmask mask(options.umask);
  return uv_spawn(loop.native(), &child.process, &native);
}

Task<ExitStatus> wait_for_exit(std::shared_ptr<Child> child) {
  auto exited = child->exited.wait();
  co_await exited;
  co_return child->status;
}

}  // namespace

Process::Process(std::shared_ptr<Child> child) : child_(std::move(child)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  child_ = std::move(other.child_);
  return *this;
}
Process::~Process() { let_go(); }

// The handle stays open, so that libuv collects the child when it ends.
void Process::let_go() {
  if (child_ && !child_->exited.is_set()) uv_unref(child_->handle());
}

Result<Process> Process::spawn(Loop& loop, const ProcessOptions& options) {
  // A string would end at its NUL: another command than the one that was checked.
  if (options.command.empty() || has_nul(options.command) || has_nul(options.environment)) {
    return fail(Errc::kInvalid, "no command that can be started");
  }
  auto child = std::make_shared<Child>(loop);
  child->until_closed = child;
  child->own_group = options.own_group;
  const int error = spawn_child(loop, *child, options);
  if (error == 0) return Process(std::move(child));
  child->close();  // libuv has the handle on its list also when it started nothing
  return std::unexpected(system_error(-error).in(options.command.front()));
}

pid_t Process::pid() const { return child_->process.pid; }

// Until its exit is noted the child is at least a zombie, so its number is nobody else's.
void Process::kill(int signal) {
  if (!child_->exited.is_set()) uv_process_kill(&child_->process, signal);
}

// The group has the number of the child that leads it, so what is true of the one is true of the other.
void Process::kill_group(int signal) {
  if (!child_->own_group) return kill(signal);
  if (!child_->exited.is_set()) ::kill(-child_->process.pid, signal);
}

Task<ExitStatus> Process::wait() { return wait_for_exit(child_); }

struct SignalWatcher::State {
  State(Loop& loop, int number) : arrived(loop) {
    uv_signal_init(loop.native(), &signal);
    signal.data = this;
    uv_signal_start(
        &signal, [](uv_signal_t* handle, int) { static_cast<State*>(handle->data)->arrived.set(); }, number);
    // Waiting for a signal alone keeps no loop running.
    uv_unref(reinterpret_cast<uv_handle_t*>(&signal));
  }
  uv_signal_t signal{};
  Event arrived;
};

SignalWatcher::SignalWatcher(Loop& loop, int signal)
    : state_(new State(loop, signal), [](State* state) {
        uv_close(reinterpret_cast<uv_handle_t*>(&state->signal),
                 [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
      }) {}
SignalWatcher::SignalWatcher(SignalWatcher&&) noexcept = default;
SignalWatcher& SignalWatcher::operator=(SignalWatcher&&) noexcept = default;
SignalWatcher::~SignalWatcher() = default;

Task<> SignalWatcher::wait() {
  auto arrived = state_->arrived.wait();
  co_await arrived;
  state_->arrived.reset();
}

}  // namespace shed::async
