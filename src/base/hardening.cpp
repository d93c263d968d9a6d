#include "shed/base/hardening.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __APPLE__
#include <sys/types.h>
// ptrace.h needs types.h in front of it.
#include <sys/ptrace.h>
#endif

#include "shed/base/result.h"

namespace shed {
namespace {

using Problems = std::vector<std::string>;

void note(Problems& problems, std::string_view step) {
  problems.push_back(fmt::format("{}: {}", step, system_error(errno).text()));
}

// The hard limit stays while a person's command may want to raise its own soft limit again.
void forbid_core_files(Problems& problems, bool also_for_children) {
  rlimit limit{};
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return note(problems, "read the limit of core files");
  limit.rlim_cur = 0;
  if (also_for_children) limit.rlim_max = 0;
  if (setrlimit(RLIMIT_CORE, &limit) != 0) note(problems, "forbid core files");
}

#ifdef __linux__
void forbid_tracing(Problems& problems) {
#ifdef SHED_SANITIZED
  // The leak checker of this build traces the process when it ends.
  (void)problems;
#else
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) note(problems, "forbid tracing");
#endif
}

void set_no_new_privileges(Problems& problems) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) note(problems, "forbid new privileges");
}

// Whether the kernel lets us lock without a limit. Being root does not say that, in a container it is
// often not so; hence the attempt to lock a page while our own limit is 0, which is for the
// privileged only.
bool may_lock_without_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  if (limit.rlim_cur == RLIM_INFINITY) return true;
  const rlimit none{0, limit.rlim_max};
  if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) return false;
  static std::array<char, 1> page;
  const bool privileged = mlock(page.data(), page.size()) == 0;
  if (privileged) munlock(page.data(), page.size());
  setrlimit(RLIMIT_MEMLOCK, &limit);
  return privileged;
}

void lock_memory(Problems& problems) {
  if (!may_lock_without_limit()) return;
  // On fault: pages that were never used need not become resident.
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) note(problems, "keep memory out of swap");
}
#endif

#ifdef __APPLE__
void forbid_tracing(Problems& problems) {
  if (ptrace(PT_DENY_ATTACH, 0, nullptr, 0) != 0) note(problems, "forbid tracing");
}
void set_no_new_privileges(Problems&) {}
void lock_memory(Problems&) {}
#endif

}  // namespace

std::vector<std::string> harden_process(const HardeningOptions& options) {
  Problems problems;
  umask(077);
  forbid_core_files(problems, options.no_new_privileges);
  forbid_tracing(problems);
  if (options.no_new_privileges) set_no_new_privileges(problems);
  lock_memory(problems);
  return problems;
}

std::vector<std::string> forbid_inspection() {
  Problems problems;
  forbid_core_files(problems, true);
  forbid_tracing(problems);
  return problems;
}

std::vector<std::string> forbid_new_privileges() {
  Problems problems;
  forbid_core_files(problems, true);
  set_no_new_privileges(problems);
  return problems;
}

}  // namespace shed
