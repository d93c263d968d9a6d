#include "service.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>

#include "shed/async/loop.h"
#include "shed/async/offload.h"
#include "shed/async/scope.h"

using namespace shed;

namespace {

// As a service that has a socket or a timer to wait for: signals alone keep no loop running.
async::Task<> serve(async::Loop& loop) {
  auto wait = loop.sleep(std::chrono::hours(1));
  co_await wait;
}

async::Task<> nothing() { co_return; }

// Work on the thread pool that says that it has begun, and never ends.
async::Task<> hang(async::Loop& loop, int begun) {
  auto hanging = async::offload(loop, [begun] {
    const char byte = 0;
    while (::write(begun, &byte, 1) > 0) ::pause();
    return 0;
  });
  (void)co_await std::move(hanging);
}

// A process whose loop waits for such work at its end.
[[noreturn]] void end_with_hanging_work() {
  std::array<int, 2> begun{};
  char byte = 0;
  if (::pipe(begun.data()) != 0) ::_exit(1);
  {
    async::Loop loop;
    async::Scope scope(loop);
    scope.spawn(hang(loop, begun[1]));
    loop.poll();
    if (::read(begun[0], &byte, 1) != 1) ::_exit(1);
    applets::end_soon(7, std::chrono::milliseconds(10));
  }
  ::_exit(0);
}

}  // namespace

TEST_CASE("a signal that comes before the loop runs stops it in the ordinary way") {
  const int number = GENERATE(SIGTERM, SIGINT);
  applets::hold_stop_signals();
  ::raise(number);
  async::Loop loop;
  CHECK(applets::run_until_signal(loop, serve(loop)) == 0);
}

TEST_CASE("a task that ends by itself is a failure of the service") {
  async::Loop loop;
  CHECK(applets::run_until_signal(loop, nothing()) == 1);
}

TEST_CASE("work on the thread pool that hangs does not hold up the end of a process") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) end_with_hanging_work();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}

namespace {

async::Task<> take_leave(async::Loop& loop, bool& task_was_there, const bool& task_runs) {
  auto wait = loop.sleep(std::chrono::milliseconds(1));
  co_await wait;
  task_was_there = task_runs;
}

struct Mark {
  explicit Mark(bool& marked) : there(marked) { there = true; }
  Mark(const Mark&) = delete;
  ~Mark() { there = false; }
  bool& there;
};

async::Task<> serve_marked(async::Loop& loop, bool& runs) {
  const Mark mark(runs);
  auto wait = loop.sleep(std::chrono::hours(1));
  co_await wait;
}

}  // namespace

TEST_CASE("after a signal there is time for a farewell, while the task goes on") {
  applets::hold_stop_signals();
  ::raise(SIGTERM);
  async::Loop loop;
  bool runs = false, task_was_there = false;
  CHECK(applets::run_until_signal(loop, serve_marked(loop, runs), take_leave(loop, task_was_there, runs)) ==
        0);
  CHECK(task_was_there);
  CHECK_FALSE(runs);
}

TEST_CASE("a task that ends by itself says no farewell") {
  async::Loop loop;
  bool said = false;
  const bool runs = true;
  CHECK(applets::run_until_signal(loop, nothing(), take_leave(loop, said, runs)) == 1);
  CHECK_FALSE(said);
}
