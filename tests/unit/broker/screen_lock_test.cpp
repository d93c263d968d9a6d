// What logind says of locked screens, through a gdbus that the tests play.
#include "shed/broker/screen_lock.h"

#include "prompt_fixture.h"

namespace shed::broker {
namespace {

using namespace testing;

constexpr std::string_view kLockLine =
    "/org/freedesktop/login1/session/_32: org.freedesktop.login1.Session.Lock ()";

class LockFixture : public ProgramFixture {
 public:
  // Runs until it was locked that often, or until nothing is noticed any more.
  void watch(std::string_view script, int times) {
    lock = make_logind_lock(loop, {program("gdbus", script), folder / "."});
    async::Event enough(loop);
    async::Scope watching(loop);
    watching.spawn(until(lock->watch([&] {
      if (++locked == times) enough.set();
    }),
                         enough));
    loop.block_on(happens(enough));
  }
  static async::Task<> until(async::Task<> watching, async::Event& over) {
    co_await std::move(watching);
    over.set();
  }
  static async::Task<> happens(async::Event& event) {
    auto wait = event.wait();
    co_await wait;
  }
  std::unique_ptr<ScreenLock> lock;
  int locked = 0;
};

TEST_CASE("a lock of a session is told by a signal or by a property") {
  CHECK(says_locked(kLockLine));
  CHECK(
      says_locked("/org/freedesktop/login1/session/c2: org.freedesktop.DBus.Properties.PropertiesChanged "
                  "('org.freedesktop.login1.Session', {'LockedHint': <true>}, @as [])"));
}

TEST_CASE("other lines are no lock") {
  CHECK_FALSE(says_locked(""));
  CHECK_FALSE(says_locked("Monitoring signals from all objects owned by org.freedesktop.login1"));
  CHECK_FALSE(says_locked("/org/freedesktop/login1/session/_32: org.freedesktop.login1.Session.Unlock ()"));
  CHECK_FALSE(
      says_locked("/org/freedesktop/login1/session/c2: org.freedesktop.DBus.Properties.PropertiesChanged "
                  "('org.freedesktop.login1.Session', {'LockedHint': <false>}, @as [])"));
  CHECK_FALSE(says_locked("/org/freedesktop/login1/session/_32"));
  CHECK_FALSE(says_locked(" /org/freedesktop/login1/session/_32: org.freedesktop.login1.Session.Lock ()"));
  CHECK_FALSE(says_locked("/org/freedesktop/login1: org.freedesktop.login1.Session.Lock ()"));
}

TEST_CASE_METHOD(LockFixture, "logind is monitored over the system bus, and each lock is noticed") {
  watch(fmt::format("echo \"$@\" >{}; echo Monitoring; echo '{}'; echo '{}'; exec sleep 1000",
                    folder / "arguments", kLockLine, kLockLine),
        2);
  CHECK(locked == 2);
  CHECK(written("arguments") == "monitor --system --dest org.freedesktop.login1\n");
}

TEST_CASE_METHOD(LockFixture, "a line that comes in pieces is one line, and one without end is passed over") {
  watch(
      fmt::format("head -c 100000 /dev/zero; echo; printf '%s' '{}'; sleep 0.05; echo '{}'; exec sleep 1000",
                  kLockLine.substr(0, 40), kLockLine.substr(40)),
      1);
  CHECK(locked == 1);
}

TEST_CASE_METHOD(LockFixture, "a gdbus that is missing is said, and nothing else happens") {
  const auto missing = make_logind_lock(loop, {folder / "nothing", folder / "."});
  CHECK(missing->why_not() == folder / "nothing is missing");
  loop.block_on(missing->watch([&] { ++locked; }));
  CHECK(locked == 0);
}

TEST_CASE_METHOD(LockFixture, "without a system bus gdbus is not started") {
  const auto alone =
      make_logind_lock(loop, {program("gdbus", "touch " + (folder / "started")), folder / "bus"});
  CHECK(alone->why_not() == folder / "bus is missing");
  loop.block_on(alone->watch([&] { ++locked; }));
  CHECK_FALSE(std::filesystem::exists(folder / "started"));
}

TEST_CASE_METHOD(LockFixture, "the monitor ends with its watch") {
  watch(fmt::format("echo $$ >{}; echo '{}'; exec sleep 1000", folder / "process", kLockLine), 1);
  const pid_t process = std::stoi(written("process"));
  CHECK(ends(process));
}

// Time stands still while the program runs, and passes with the pauses.
TEST_CASE("a gdbus that ends at once is started again a few times, ever later, and then it is said") {
  ProgramFixture programs;
  FakeClock clock;
  async::Loop loop{clock};
  const std::string script = "echo $$ >>" + (programs.folder / "starts");
  const auto lock = make_logind_lock(loop, {programs.program("gdbus", script), programs.folder / "."});
  int locked = 0;
  async::Scope watching(loop);
  watching.spawn(lock->watch([&locked] { ++locked; }));
  std::string known;
  for (Millis pause = 1s; pause <= 128s; pause *= 2) {
    std::string starts;
    for (bool ended = false; !ended; programs.wait()) {
      loop.poll();
      starts = programs.written("starts");
      ended = starts.size() > known.size() && starts.ends_with('\n') &&
              ::kill(std::stoi(starts.substr(known.size())), 0) != 0;
    }
    known = starts;
    loop.poll();
    CHECK(watching.size() == 1);
    clock.advance(pause);
    loop.poll();
  }
  CHECK(watching.size() == 0);
  CHECK(std::ranges::count(programs.written("starts"), '\n') == 8);
  CHECK(programs.log.count("a locked screen is not noticed any more") == 1);
  CHECK(locked == 0);
}

}  // namespace
}  // namespace shed::broker
