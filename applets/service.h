// What the long-running applets have in common.
#pragma once

#include "shed/async/loop.h"
#include "shed/base/result.h"

namespace shed::applets {

// Keeps what would stop or hang up this process pending until release_stop_signals(): whoever sends it
// right after a socket has appeared is not met by the default action, which leaves that socket behind.
// Children do not inherit it.
void hold_stop_signals();
void release_stop_signals();

// Holds the stop signals, ignores SIGPIPE, hardens the process (each step that fails is one warning) and
// takes as many descriptors as the system allows: a thousand clients need more than the usual soft limit.
void become_service();
// The same for a process that starts a person's command, which must not feel any of it: privileges
// and descriptors stay as they were until become_alone().
void become_parent();
void become_alone();
// For what runs once and ends: no core file and no tracing while a secret is in its memory.
void become_private();

// Runs the task until it ends or SIGTERM or SIGINT comes, also one that was held. Returns the exit status: 0
// after a signal, 1 when the task ended by itself.
int run_until_signal(async::Loop& loop, async::Task<> task);
// After the signal `farewell` runs to its end beside the task: it must have a time limit of its own.
int run_until_signal(async::Loop& loop, async::Task<> task, async::Task<> farewell);

// Returns the status, with which the process ends within the limit whatever still runs on the thread pool:
// nothing can stop a look-up there, and a name server that says nothing holds one for up to half a minute.
// For when all is tidied up but the loop itself.
inline constexpr Millis kEndLimit{1'000};
int end_soon(int status, Millis limit = kEndLimit);

// One line on stderr, and the exit status for it: 1, or 2 for what was typed wrongly.
int fail_with(const Error& error);
int fail_usage(const Error& error);

}  // namespace shed::applets
