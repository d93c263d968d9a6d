#include "shed/base/hardening.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace shed {
namespace {

// What hardening does cannot be undone, so each check runs in a process of its own.
bool holds_in_child(const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = -1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

rlimit core_limit() {
  rlimit limit{1, 1};
  getrlimit(RLIMIT_CORE, &limit);
  return limit;
}

TEST_CASE("hardening reports no problem here") {
  CHECK(holds_in_child([] { return harden_process({}).empty(); }));
}

TEST_CASE("a hardened process makes no core files") {
  CHECK(holds_in_child([] {
    harden_process({});
    return core_limit().rlim_cur == 0 && core_limit().rlim_max == 0;
  }));
}

TEST_CASE("a process that runs once makes no core files, and cannot be traced") {
  CHECK(holds_in_child([] {
    const bool done = forbid_inspection().empty();
#if defined(__linux__) && !defined(SHED_SANITIZED)
    if (prctl(PR_GET_DUMPABLE) != 0) return false;
#endif
    return done && core_limit().rlim_cur == 0 && core_limit().rlim_max == 0;
  }));
}

TEST_CASE("a command started later may raise its core limit until privileges are given up") {
  CHECK(holds_in_child([] {
    const rlimit before = core_limit();
    harden_process({.no_new_privileges = false});
    const bool kept = core_limit().rlim_cur == 0 && core_limit().rlim_max == before.rlim_max;
    forbid_new_privileges();
    return kept && core_limit().rlim_max == 0;
  }));
}

TEST_CASE("files of a hardened process are its owner's") {
  CHECK(holds_in_child([] {
    umask(0);
    harden_process({});
    return umask(0) == 077;
  }));
}

#ifdef __linux__
TEST_CASE("a hardened process gains no privileges") {
  CHECK(holds_in_child([] {
    harden_process({});
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  }));
}

TEST_CASE("privileges can be given up later") {
  CHECK(holds_in_child([] {
    harden_process({.no_new_privileges = false});
    const bool before = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
    forbid_new_privileges();
    return before && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  }));
}

TEST_CASE("hardening leaves the limit of locked memory as it was") {
  CHECK(holds_in_child([] {
    rlimit before{}, after{};
    getrlimit(RLIMIT_MEMLOCK, &before);
    harden_process({});
    getrlimit(RLIMIT_MEMLOCK, &after);
    return before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max;
  }));
}

TEST_CASE("memory can still be had after hardening") {
  CHECK(holds_in_child([] {
    harden_process({});
    const std::string much(32 << 20, 'x');
    return much.back() == 'x';
  }));
}

#ifndef SHED_SANITIZED
TEST_CASE("a hardened process cannot be dumped") {
  CHECK(holds_in_child([] {
    const bool before = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
    harden_process({});
    return before && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
  }));
}
#endif
#endif

}  // namespace
}  // namespace shed
