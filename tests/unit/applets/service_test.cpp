#include "service.h"

#include <catch2/catch.hpp>
#include <csignal>

#include "shed/async/loop.h"

using namespace shed;

namespace {

// As a service that has a socket or a timer to wait for: signals alone keep no loop running.
async::Task<> serve(async::Loop& loop) {
  auto wait = loop.sleep(std::chrono::hours(1));
  co_await wait;
}

async::Task<> nothing() { co_return; }

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
