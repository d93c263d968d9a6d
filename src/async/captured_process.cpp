#include "shed/async/captured_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "shed/async/scope.h"
#include "shed/async/stream.h"
#include "shed/base/buffer.h"

namespace shed::async {
namespace {

constexpr std::size_t kErrorsPart = 1024;
// What is taken of a pipe's rest: a child that was left behind and writes on must not hold us.
constexpr int kMaxRestReads = 64;

struct Pipe {
  UniqueFd from, to;
};

Result<Pipe> open_pipe() {
  int fds[2];
  if (::pipe(fds) != 0) return std::unexpected(system_error(errno).in("pipe"));
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  for (const int fd : fds) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return pipe;
}

// A pipe to read `input` from, which is in it already: nobody has to wait until the child takes it.
Result<UniqueFd> filled_pipe(const std::string& input) {
  if (input.empty()) return UniqueFd();
  if (input.size() > kMaxCaptureInput)
    return fail(Errc::kLimit, "the input has over {} bytes", kMaxCaptureInput);
  auto pipe = open_pipe();
  if (!pipe) return propagate(pipe);
  const ssize_t count = ::write(pipe->to.get(), input.data(), input.size());
  if (count != static_cast<ssize_t>(input.size())) return std::unexpected(system_error(errno).in("pipe"));
  return std::move(pipe->from);
}

// One run: the child, and the two tasks that read what it says.
class Capture {
 public:
  Capture(Loop& loop, const CaptureOptions& options, Process process, UniqueFd output, UniqueFd errors)
      : max_output_(options.max_output),
        kept_errors_(options.kept_errors),
        process_(std::move(process)),
        output_stream_(loop, std::move(output)),
        errors_stream_(loop, std::move(errors)),
        ended_(loop),
        tasks_(loop) {
    output_.spare(max_output_ + 1);  // once and for all: nothing is moved when it fills
    tasks_.spawn(read_output());
    tasks_.spawn(read_errors());
    tasks_.spawn(wait_for_exit());
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    process_.kill_group(SIGKILL);
    output_.wipe();
    errors_.wipe();
  }

  Event::TimedWait ended(Millis limit) { return ended_.wait_for(limit); }

  // After its end.
  Result<CapturedRun> take() {
    tasks_.cancel();
    if (!too_much_) read_rest();
    if (too_much_) return fail(Errc::kLimit, "it printed more than {} bytes", max_output_);
    return CapturedRun{*status_, Secret(output_.view()), Secret(errors_.view())};
  }

 private:
  std::span<char> output_room() { return output_.spare(max_output_ + 1 - output_.size()); }
  void keep_output(std::size_t count) {
    output_.commit(count);
    too_much_ = output_.size() > max_output_;
  }
  void keep_errors(std::size_t count) {
    errors_.commit(count);
    if (errors_.size() > kept_errors_) errors_.consume(errors_.size() - kept_errors_);
  }

  Task<> read_output() {
    while (!too_much_) {
      const auto count = co_await output_stream_.read(output_room());
      if (!count || *count == 0) co_return;
      keep_output(*count);
    }
    ended_.set();
  }
  Task<> read_errors() {
    for (;;) {
      const auto count = co_await errors_stream_.read(errors_.spare(kErrorsPart));
      if (!count || *count == 0) co_return;
      keep_errors(*count);
    }
  }
  Task<> wait_for_exit() {
    status_ = co_await process_.wait();
    ended_.set();
  }

  // What lay in the pipes when it exited.
  void read_rest() {
    for (int i = 0; i < kMaxRestReads && !too_much_; ++i) {
      const auto count = output_stream_.try_read(output_room());
      if (!count || count->value_or(0) == 0) break;
      keep_output(**count);
    }
    for (int i = 0; i < kMaxRestReads; ++i) {
      const auto count = errors_stream_.try_read(errors_.spare(kErrorsPart));
      if (!count || count->value_or(0) == 0) break;
      keep_errors(**count);
    }
  }

  const std::size_t max_output_, kept_errors_;
  Process process_;
  Stream output_stream_, errors_stream_;
  Buffer output_, errors_;
  bool too_much_ = false;
  std::optional<ExitStatus> status_;
  Event ended_;
  Scope tasks_;
};

}  // namespace

Task<Result<CapturedRun>> run_captured(Loop& loop, CaptureOptions options) {
  auto output = open_pipe();
  if (!output) co_return propagate(output);
  auto errors = open_pipe();
  if (!errors) co_return propagate(errors);
  const auto input = filled_pipe(options.input);
  if (!input) co_return propagate(input);
  ProcessOptions wanted;
  wanted.command = options.command;
  wanted.environment = options.environment;
  wanted.stdin_fd = input->get();
  wanted.stdout_fd = output->to.get();
  wanted.stderr_fd = errors->to.get();
  wanted.own_group = true;
  auto process = Process::spawn(loop, wanted);
  if (!process) co_return propagate(process);
  output->to.reset();
  errors->to.reset();
  Capture capture(loop, options, std::move(*process), std::move(output->from), std::move(errors->from));
  const bool in_time = co_await capture.ended(options.limit);
  if (!in_time) co_return fail(Errc::kTimeout, "it has not ended within {}", format_duration(options.limit));
  co_return capture.take();
}

}  // namespace shed::async
