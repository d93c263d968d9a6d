#include "shed/broker/screen_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "shed/async/process.h"
#include "shed/async/stream.h"
#include "shed/base/file.h"
#include "shed/base/log.h"

namespace shed::broker {
namespace {

// Of a line; the signals that count are far shorter, and what is longer is passed over.
constexpr std::size_t kMaxLine = 4096;
constexpr int kMaxStarts = 8;
constexpr Millis kFirstPause{1'000};
// One that ran for so long is none that fails at its start.
constexpr Millis kRanWell = std::chrono::minutes(10);

constexpr std::string_view kSessions = "/org/freedesktop/login1/session/";
constexpr std::string_view kLock = ": org.freedesktop.login1.Session.Lock (";
constexpr std::string_view kChanged =
    ": org.freedesktop.DBus.Properties.PropertiesChanged ('org.freedesktop.login1.Session', ";
constexpr std::string_view kHint = "'LockedHint': <true>";

// A child that does not outlive its owner.
class Monitor {
 public:
  explicit Monitor(async::Process process) : process_(std::move(process)) {}
  Monitor(const Monitor&) = delete;
  ~Monitor() { process_.kill_group(SIGKILL); }

 private:
  async::Process process_;
};

// Lines out of pieces, each once; too long ones are left out.
class Lines {
 public:
  void add(std::string_view piece, const std::function<void(std::string_view)>& take) {
    while (!piece.empty()) {
      const std::size_t end = piece.find('\n');
      keep(piece.substr(0, end));
      if (end == std::string_view::npos) return;
      if (!too_long_) take(line_);
      line_.clear();
      too_long_ = false;
      piece.remove_prefix(end + 1);
    }
  }

 private:
  void keep(std::string_view part) {
    too_long_ = too_long_ || line_.size() + part.size() > kMaxLine;
    if (!too_long_) line_ += part;
  }
  std::string line_;
  bool too_long_ = false;
};

class LogindLock : public ScreenLock {
 public:
  LogindLock(async::Loop& loop, LogindOptions options) : loop_(loop), options_(std::move(options)) {}

  std::string why_not() const override {
    for (const auto& [path, mode] :
         {std::pair(&options_.gdbus, X_OK), std::pair(&options_.system_bus, F_OK)}) {
      if (::access(path->c_str(), mode) != 0) return *path + " is missing";
    }
    return {};
  }

  async::Task<> watch(std::function<void()> locked) override {
    if (!why_not().empty()) co_return;
    Millis pause = kFirstPause;
    for (int starts = 1; starts <= kMaxStarts; ++starts) {
      const SteadyTime start = loop_.clock().now();
      auto running = run_once(locked);
      const Status ended = co_await std::move(running);
      last_ = ended ? "it ended" : ended.error().text();
      if (loop_.clock().now() - start >= kRanWell) {
        starts = 0;
        pause = kFirstPause;
      }
      auto rest = loop_.sleep(pause);
      co_await rest;
      pause *= 2;
    }
    log::warning("a locked screen is not noticed any more: {}: {}", options_.gdbus, last_);
  }

 private:
  async::Task<Status> run_once(std::function<void()> locked) {
    int fds[2];
    if (::pipe(fds) != 0) co_return std::unexpected(system_error(errno).in("pipe"));
    UniqueFd from(fds[0]), to(fds[1]);
    ::fcntl(from.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(to.get(), F_SETFD, FD_CLOEXEC);
    async::ProcessOptions options;
    options.command = {options_.gdbus, "monitor", "--system", "--dest", "org.freedesktop.login1"};
    options.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
    options.stdin_fd = -1;
    options.stdout_fd = to.get();
    options.stderr_fd = -1;
    options.own_group = true;
    auto process = async::Process::spawn(loop_, options);
    if (!process) co_return propagate(process);
    const Monitor monitor(std::move(*process));
    to.reset();
    async::Stream output(loop_, std::move(from));
    const std::function<void(std::string_view)> take = [&locked](std::string_view line) {
      if (says_locked(line)) locked();
    };
    Lines lines;
    std::array<char, 2048> piece;
    for (;;) {
      auto reading = output.read(piece);
      const auto count = co_await std::move(reading);
      if (!count) co_return propagate(count);
      if (*count == 0) co_return Status{};
      lines.add({piece.data(), *count}, take);
    }
  }

  async::Loop& loop_;
  const LogindOptions options_;
  std::string last_;
};

}  // namespace

bool says_locked(std::string_view line) {
  if (!line.starts_with(kSessions)) return false;
  line.remove_prefix(kSessions.size());
  const std::size_t end = line.find(':');
  if (end == std::string_view::npos) return false;
  line.remove_prefix(end);
  if (line.starts_with(kLock)) return true;
  return line.starts_with(kChanged) && line.find(kHint) != std::string_view::npos;
}

std::unique_ptr<ScreenLock> make_logind_lock(async::Loop& loop, LogindOptions options) {
  return std::make_unique<LogindLock>(loop, std::move(options));
}

}  // namespace shed::broker
