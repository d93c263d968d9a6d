// Tells when this machine's screen is locked: what was granted ends then.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shed/async/loop.h"

namespace shed::broker {

class ScreenLock {
 public:
  virtual ~ScreenLock() = default;
  // Why it cannot be noticed here; empty where it can be.
  virtual std::string why_not() const = 0;
  // Calls `locked` each time, until the task is dropped or nothing can be noticed any more.
  virtual async::Task<> watch(std::function<void()> locked) = 0;
};

// macOS: the distributed notification com.apple.screenIsLocked.
// Linux: systemd-logind, see make_logind_lock().
std::unique_ptr<ScreenLock> make_screen_lock(async::Loop& loop);

struct LogindOptions {
  std::string gdbus = "/usr/bin/gdbus";
  std::string system_bus = "/run/dbus/system_bus_socket";  // without it gdbus is not started
};
// Reads what `gdbus monitor` says of org.freedesktop.login1: a session's signal Lock, and LockedHint becoming
// true. Any session of the machine counts: rather once too often. A desktop whose lock screen tells logind
// nothing is not noticed. The program is killed when the task is dropped; when it ends by itself it is
// started again, a few times.
std::unique_ptr<ScreenLock> make_logind_lock(async::Loop& loop, LogindOptions options = {});
// Whether a line of it says that a screen is locked.
bool says_locked(std::string_view line);

}  // namespace shed::broker
