// SignalWatcher.
#include "shed/async/process.h"
#include "unit/async/support.h"

namespace shed::async {
namespace {

using namespace std::chrono_literals;

Task<Status> arrived(SignalWatcher& watcher) {
  co_await watcher.wait();
  co_return Status{};
}
// A limit, so that the loop has something to wait for beside the signal.
Task<Status> arrives(Loop& loop, SignalWatcher& watcher) {
  co_return co_await with_timeout(loop, 10s, arrived(watcher));
}
Task<> raise_later(Loop& loop, int signal) {
  co_await loop.turn();
  raise(signal);
}
void (*disposition(int number))(int) {
  struct sigaction current{};
  sigaction(number, nullptr, &current);
  return current.sa_handler;
}

}  // namespace

TEST_CASE("a signal wakes who waits for it") {
  Loop loop;
  SignalWatcher watcher(loop, SIGUSR1);
  Scope scope(loop);
  scope.spawn(raise_later(loop, SIGUSR1));
  CHECK(loop.block_on(arrives(loop, watcher)));
}

TEST_CASE("a signal that came before anybody waited counts, once") {
  Loop loop;
  SignalWatcher watcher(loop, SIGUSR1);
  raise(SIGUSR1);
  CHECK(loop.block_on(arrives(loop, watcher)));
  const Status again = loop.block_on(with_timeout(loop, 1ms, arrived(watcher)));
  REQUIRE(!again);
  CHECK(again.error().code() == Errc::kTimeout);
}

TEST_CASE("signals are told apart") {
  Loop loop;
  SignalWatcher first(loop, SIGUSR1), second(loop, SIGUSR2);
  raise(SIGUSR2);
  CHECK(loop.block_on(arrives(loop, second)));
  CHECK(!loop.block_on(with_timeout(loop, 1ms, arrived(first))));
}

TEST_CASE("a moved watcher goes on watching") {
  Loop loop;
  SignalWatcher first(loop, SIGUSR1);
  SignalWatcher watcher = std::move(first);
  raise(SIGUSR1);
  CHECK(loop.block_on(arrives(loop, watcher)));
}

TEST_CASE("a watcher that ends gives its signal back") {
  Loop loop;
  REQUIRE(disposition(SIGUSR1) == SIG_DFL);
  {
    SignalWatcher watcher(loop, SIGUSR1);
    CHECK(disposition(SIGUSR1) != SIG_DFL);
  }
  CHECK(disposition(SIGUSR1) == SIG_DFL);
}

TEST_CASE("a watcher alone keeps no loop running") {
  Loop loop;
  SignalWatcher watcher(loop, SIGUSR1);
  loop.run();
  CHECK(disposition(SIGUSR1) != SIG_DFL);
}

}  // namespace shed::async
