// What this platform has.
#include "shed/broker/biometrics.h"

#include "shed/broker/screen_lock.h"
#ifdef __APPLE__
#include "broker/biometrics_mac.h"
#else
#include "shed/broker/polkit.h"
#endif

namespace shed::broker {

#ifdef __APPLE__
std::unique_ptr<Person> make_biometrics(async::Loop& loop, bool or_password) {
  return make_touch_id(loop, or_password);
}
std::unique_ptr<ScreenLock> make_screen_lock(async::Loop& loop) { return make_mac_screen_lock(loop); }
#else
// One and the same: which of the two it takes is decided in PAM.
std::unique_ptr<Person> make_biometrics(async::Loop& loop, bool) { return make_polkit(loop); }
std::unique_ptr<ScreenLock> make_screen_lock(async::Loop& loop) { return make_logind_lock(loop); }
#endif

}  // namespace shed::broker
