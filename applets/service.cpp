#include "service.h"

#ifdef __linux__
#include <link.h>
#endif
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

#include "shed/async/process.h"
#include "shed/async/scope.h"
#include "shed/base/hardening.h"
#include "shed/base/log.h"

namespace shed::applets {
namespace {

// Enough for every table of this program at its bound; more would only cost the kernel.
constexpr rlim_t kDescriptors = 16384;

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kDescriptors) return;
  limit.rlim_cur = std::min(limit.rlim_max, kDescriptors);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Reading the options touches more code than all that follows: a third of a relay's resident memory.
// What the binary and its libraries have read-only is unchanged, and comes back by itself when it is
// needed. To be done before memory is locked.
void drop_startup_code() {
#ifdef __linux__
  const auto drop = [](dl_phdr_info* object, std::size_t, void*) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& segment = object->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
      const std::uintptr_t start = object->dlpi_addr + segment.p_vaddr;
      const std::uintptr_t begin = (start + page - 1) / page * page;
      const std::uintptr_t end = (start + segment.p_memsz) / page * page;
      if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
  };
  ::dl_iterate_phdr(drop, nullptr);
#endif
}

void warn(const std::vector<std::string>& failures) {
  for (const std::string& failure : failures) log::warning("hardening: {}", failure);
}

async::Task<> watch(async::Task<> task, async::Event& over) {
  co_await std::move(task);
  over.set();
}

async::Task<> watch_signal(async::SignalWatcher& signal, async::Event& over, bool& stopped) {
  co_await signal.wait();
  stopped = true;
  over.set();
}

async::Task<int> run_scope(async::Loop& loop, async::Task<> task, async::Task<> farewell) {
  async::Event over(loop);
  bool stopped = false;
  async::SignalWatcher terminate(loop, SIGTERM);
  async::SignalWatcher interrupt(loop, SIGINT);
  release_stop_signals();
  async::Scope scope(loop);
  scope.spawn(watch_signal(terminate, over, stopped));
  scope.spawn(watch_signal(interrupt, over, stopped));
  scope.spawn(watch(std::move(task), over));
  auto wait = over.wait();
  co_await wait;
  if (!stopped) co_return 1;
  co_await std::move(farewell);
  co_return 0;
}

async::Task<> leave_at_once() { co_return; }

volatile std::sig_atomic_t end_status = 0;  // for the handler of end_soon()

void change_stop_signals(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&signals, number);
  ::pthread_sigmask(how, &signals, nullptr);
}

}  // namespace

void hold_stop_signals() { change_stop_signals(SIG_BLOCK); }
void release_stop_signals() { change_stop_signals(SIG_UNBLOCK); }

void become_service() {
  hold_stop_signals();
  std::signal(SIGPIPE, SIG_IGN);
  drop_startup_code();
  warn(harden_process({}));
  raise_descriptor_limit();
}

void become_parent() {
  hold_stop_signals();
  std::signal(SIGPIPE, SIG_IGN);
  warn(harden_process({.no_new_privileges = false}));
}

void become_private() { warn(forbid_inspection()); }

void become_alone() {
  warn(forbid_new_privileges());
  raise_descriptor_limit();
}

int run_until_signal(async::Loop& loop, async::Task<> task) {
  return run_until_signal(loop, std::move(task), leave_at_once());
}

int run_until_signal(async::Loop& loop, async::Task<> task, async::Task<> farewell) {
  return loop.block_on(run_scope(loop, std::move(task), std::move(farewell)));
}

int end_soon(int status, Millis limit) {
  end_status = status;
  std::signal(SIGALRM, [](int) { ::_exit(end_status); });
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);  // the parent may have blocked it
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(limit.count() / 1000);
  timer.it_value.tv_usec = static_cast<suseconds_t>(limit.count() % 1000 * 1000);
  ::setitimer(ITIMER_REAL, &timer, nullptr);
  return status;
}

int fail_with(const Error& error) {
  log::say(error.text());
  return 1;
}

int fail_usage(const Error& error) {
  fail_with(error);
  return 2;
}

}  // namespace shed::applets
