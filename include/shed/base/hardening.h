// What every long-running applet does first, so that keys in its memory stay there.
#pragma once

#include <string>
#include <vector>

namespace shed {

struct HardeningOptions {
  // False for a process that starts a person's command: sudo must go on working in there. Call
  // forbid_new_privileges() once the command runs.
  bool no_new_privileges = true;
};

// On Linux: no core files, not dumpable (so not traceable, and /proc/self/mem is root's), no new
// privileges, umask 077, and memory locked where RLIMIT_MEMLOCK is unlimited or the process is
// privileged: with a smaller limit locking makes later allocations fail, which is worse than swap.
// On macOS: no core files, umask 077, no debugger. Returns one text for each step that failed.
std::vector<std::string> harden_process(const HardeningOptions& options);
std::vector<std::string> forbid_new_privileges();
// The first two steps alone, for a process that runs once.
std::vector<std::string> forbid_inspection();

}  // namespace shed
