// What macOS has for the gate; biometrics_mac.mm.
#pragma once

#include <memory>

#include "shed/async/loop.h"
#include "shed/broker/person.h"
#include "shed/broker/screen_lock.h"

namespace shed::broker {

// LocalAuthentication: each question gets a context of its own, so that no earlier success counts for it. The
// context is invalidated, which takes the dialogue away, when the time is over and when the task is dropped.
std::unique_ptr<Person> make_touch_id(async::Loop& loop, bool or_password);

// Looks each second whether the distributed notification com.apple.screenIsLocked has come. On the main
// thread only: that is where they are delivered.
std::unique_ptr<ScreenLock> make_mac_screen_lock(async::Loop& loop);

}  // namespace shed::broker
