#include "service.h"

#include <csignal>

#include "shed/async/process.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::applets {
namespace {

async::Task<> watch(async::Task<> task, async::Event& over) {
  co_await std::move(task);
  over.set();
}

async::Task<> watch_signal(async::Loop& loop, int number, async::Event& over, bool& stopped) {
  async::SignalWatcher signal(loop, number);
  co_await signal.wait();
  stopped = true;
  over.set();
}

async::Task<int> run_scope(async::Loop& loop, async::Task<> task) {
  async::Event over(loop);
  bool stopped = false;
  async::Scope scope(loop);
  scope.spawn(watch_signal(loop, SIGTERM, over, stopped));
  scope.spawn(watch_signal(loop, SIGINT, over, stopped));
  scope.spawn(watch(std::move(task), over));
  auto wait = over.wait();
  co_await wait;
  co_return stopped ? 0 : 1;
}

}  // namespace

void become_service(const HardeningOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  for (const std::string& failure : harden_process(options)) log::warning("hardening: {}", failure);
}

int run_until_signal(async::Loop& loop, async::Task<> task) {
  return loop.block_on(run_scope(loop, std::move(task)));
}

int fail_with(const Error& error) {
  // The line is all there is: it needs no label.
  log::info("{}", error.text());
  return 1;
}

}  // namespace shed::applets
