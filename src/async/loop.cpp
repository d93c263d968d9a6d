#include "shed/async/loop.h"

#include <uv.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "async/handles.h"
#include "shed/base/log.h"

namespace shed::async {
namespace {

// Coroutines resumed before descriptors get a look again: a task that keeps itself busy must not
// starve the rest.
constexpr int kResumesPerTurn = 1024;
// "No limit" may come as the largest number there is; the sum with the present must not overflow.
constexpr Millis kLongestDelay = std::chrono::hours(24) * 36525;

// What the owner of the loop should have destroyed before it would wait for events for ever.
void end_handle(uv_handle_t* handle, void*) {
  if (uv_is_closing(handle) != 0) return;
  if (handle->type == UV_PROCESS) return close_process(handle);
  log::error("the event loop ends before its {} watcher; this is a bug", uv_handle_type_name(handle->type));
  std::abort();
}

}  // namespace

struct Loop::Native {
  uv_loop_t loop;
  uv_timer_t timer;
  SteadyTime timer_due;  // while the timer is active
};

Loop::Loop(const Clock& clock) : clock_(clock), native_(std::make_unique<Native>()) {
  if (uv_loop_init(&native_->loop) != 0 || uv_timer_init(&native_->loop, &native_->timer) != 0) {
    log::error("the event loop cannot be made: out of memory or descriptors");
    std::abort();
  }
  std::signal(SIGPIPE, SIG_IGN);
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&native_->timer), nullptr);
  uv_walk(&native_->loop, end_handle, nullptr);
  uv_run(&native_->loop, UV_RUN_DEFAULT);
  uv_loop_close(&native_->loop);
}

uv_loop_s* Loop::native() const { return &native_->loop; }

void Loop::run() {
  stopped_ = false;
  do {
    resume_ready();
  } while (!stopped_ && wait_for_more());
}

void Loop::poll() {
  stopped_ = false;
  do {
    uv_run(&native_->loop, UV_RUN_NOWAIT);
    ring_due_alarms();
  } while (resume_ready() && !stopped_);
}

// Waits for the next thing to happen, not at all while coroutines are queued. False when nothing
// can happen any more.
bool Loop::wait_for_more() {
  schedule_next_alarm();
  const bool pending = !ready_.empty();
  const bool alive = uv_run(&native_->loop, pending ? UV_RUN_NOWAIT : UV_RUN_ONCE) != 0;
  ring_due_alarms();
  // The timer may have rung for an alarm that is gone, or a fraction of a millisecond early: then
  // libuv has nothing left while there are alarms ahead.
  const bool alarms_ahead = has_system_time() && !alarms_.empty();
  return alive || pending || alarms_ahead || !ready_.empty();
}

bool Loop::resume_ready() {
  int resumed = 0;
  for (; resumed < kResumesPerTurn && !ready_.empty() && !stopped_; ++resumed) {
    Waiter& waiter = ready_.front();
    waiter.unlink();
    waiter.queued = false;
    waiter.coroutine.resume();
  }
  return resumed > 0;
}

void Loop::die_waiting() {
  log::error("the event loop has nothing left to wait for; this is a bug");
  std::abort();
}

// The libuv timer only wakes the loop; which alarms are due is decided by the clock.
void Loop::schedule_next_alarm() {
  if (!has_system_time()) return;
  Native& native = *native_;
  if (alarms_.empty()) {
    uv_timer_stop(&native.timer);
    return;
  }
  const SteadyTime due = alarms_.front()->due_;
  // A timer that rings too early costs one turn; setting it anew for every alarm would cost more.
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&native.timer)) != 0 && native.timer_due <= due) return;
  const auto delay = std::chrono::ceil<Millis>(due - clock_.now());
  uv_update_time(&native.loop);
  // A timer that is due already rings before libuv waits for descriptors, and then that wait would have
  // no end: it must not begin.
  uv_timer_start(
      &native.timer, [](uv_timer_t* timer) { uv_stop(timer->loop); },
      static_cast<std::uint64_t>(std::max<std::int64_t>(delay.count(), 0)), 0);
  native.timer_due = due;
}

void Loop::ring_due_alarms() {
  if (alarms_.empty()) return;
  const SteadyTime now = clock_.now();
  const std::uint64_t end = alarms_armed_;  // an alarm that rearms itself at once must not ring for ever
  while (!alarms_.empty() && alarms_.front()->due_ <= now && alarms_.front()->order_ < end) {
    Alarm& alarm = *alarms_.front();
    remove_alarm(alarm);
    alarm.on_due();
  }
}

void Alarm::arm(Millis delay) {
  disarm();
  due_ = loop_.clock().now() + std::clamp(delay, Millis(0), kLongestDelay);
  order_ = loop_.alarms_armed_++;
  loop_.add_alarm(*this);
}

void Alarm::disarm() {
  if (armed()) loop_.remove_alarm(*this);
}

void Loop::add_alarm(Alarm& alarm) {
  alarms_.push_back(&alarm);
  alarm.position_ = alarms_.size() - 1;
  sift_up(alarm.position_);
}

void Loop::remove_alarm(Alarm& alarm) {
  const std::size_t position = alarm.position_;
  alarm.position_ = Alarm::kNowhere;
  Alarm* last = alarms_.back();
  alarms_.pop_back();
  if (last == &alarm) return;
  place(*last, position);
  sift_up(position);
  sift_down(last->position_);
}

void Loop::place(Alarm& alarm, std::size_t position) {
  alarms_[position] = &alarm;
  alarm.position_ = position;
}

void Loop::sift_up(std::size_t position) {
  Alarm& alarm = *alarms_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (alarms_[parent]->before(alarm)) break;
    place(*alarms_[parent], position);
    position = parent;
  }
  place(alarm, position);
}

void Loop::sift_down(std::size_t position) {
  Alarm& alarm = *alarms_[position];
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= alarms_.size()) break;
    if (child + 1 < alarms_.size() && alarms_[child + 1]->before(*alarms_[child])) ++child;
    if (alarm.before(*alarms_[child])) break;
    place(*alarms_[child], position);
    position = child;
  }
  place(alarm, position);
}

}  // namespace shed::async
