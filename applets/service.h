// What the long-running applets have in common.
#pragma once

#include "shed/async/loop.h"
#include "shed/base/hardening.h"
#include "shed/base/result.h"

namespace shed::applets {

// Ignores SIGPIPE and hardens the process; each step that fails is one warning.
void become_service(const HardeningOptions& options = {});

// Runs the task until it ends or SIGTERM or SIGINT comes. Returns the exit status: 0 after a
// signal, 1 when the task ended by itself.
int run_until_signal(async::Loop& loop, async::Task<> task);

// One line on stderr, and the exit status for it.
int fail_with(const Error& error);

}  // namespace shed::applets
