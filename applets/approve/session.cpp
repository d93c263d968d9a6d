#include "approve/session.h"

#include <csignal>

#include "approve/screen.h"
#include "approve/terminal.h"
#include "service.h"
#include "shed/async/process.h"
#include "shed/async/scope.h"
#include "shed/base/log.h"

namespace shed::applets {
namespace {

constexpr Millis kTick{500};  // while a time counts down
constexpr Millis kIdle{10'000};
constexpr Millis kGrantsEvery{2'000};  // asked for anew while they are looked at
constexpr int kEndSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

async::Task<> watch_one(async::Loop& loop, int number, std::optional<int>& status, async::Event& came) {
  async::SignalWatcher watcher(loop, number);
  auto arrival = watcher.wait();
  co_await std::move(arrival);
  status = 128 + number;
  came.set();
}

class Session {
 public:
  Session(async::Loop& loop, broker::ApproverDesk& desk, const std::string& socket, Terminal& terminal)
      : loop_(loop),
        desk_(desk),
        terminal_(terminal),
        client_(loop, desk, socket),
        state_(desk),
        over_(loop) {
    canvas_.socket = socket;
    canvas_.colour = terminal.is_screen() && environment("NO_COLOR").empty();
    canvas_.countdown = terminal.is_screen();
  }

  async::Task<int> run() {
    async::Scope parts(loop_);
    parts.spawn(watch_end_signals(loop_, status_, over_));
    parts.spawn(redraw_after(SIGWINCH));
    parts.spawn(redraw_after(SIGCONT));
    parts.spawn(stop_after_suspend());
    parts.spawn(client_.run());
    release_stop_signals();
    terminal_.enter();
    parts.spawn(read_keys());
    parts.spawn(paint());
    auto over = over_.wait();
    co_await over;
    co_return status_.value_or(kDenied);
  }

 private:
  async::Task<> read_keys() {
    KeyReader reader;
    char bytes[256];
    for (;;) {
      auto reading = terminal_.stream().read(bytes);
      const auto count = co_await std::move(reading);
      if (!count || *count == 0) break;
      for (const Key key : reader.read({bytes, *count}, desk_.clock().now())) state_.press(key);
      if (state_.quit()) break;
      client_.changed().set();
    }
    // Else nobody is at the terminal any more.
    status_ = state_.quit() ? kApproved : kDenied;
    over_.set();
  }

  async::Task<> redraw_after(int number) {
    async::SignalWatcher watcher(loop_, number);
    for (;;) {
      auto came = watcher.wait();
      co_await std::move(came);
      if (number == SIGCONT) terminal_.enter();
      forget_screen();
    }
  }

  async::Task<> stop_after_suspend() {
    async::SignalWatcher watcher(loop_, SIGTSTP);
    for (;;) {
      auto came = watcher.wait();
      co_await std::move(came);
      terminal_.leave();
      ::raise(SIGSTOP);
      terminal_.enter();
      forget_screen();
    }
  }

  void forget_screen() {
    state_.covered();
    drawn_.reset();
    client_.changed().set();
  }

  // May wait for a terminal that takes nothing: nobody waits for this.
  async::Task<> paint() {
    while (desk_.link() != broker::ApproverDesk::Link::kRefused) {
      client_.changed().reset();
      state_.follow();
      refresh_grants();
      const Terminal::Size size = terminal_.size();
      if (size.width != canvas_.width || size.height != canvas_.height) forget_screen();
      canvas_.width = size.width;
      canvas_.height = size.height;
      Frame frame = draw(state_, canvas_);
      const std::string text = changes(frame);
      drawn_ = frame;
      auto writing = terminal_.stream().write(text);
      const Status written = co_await std::move(writing);
      if (!written) break;
      // Forgotten again while it was written: this is not what is there.
      if (drawn_) state_.shown(frame.answerable);
      const bool is_counting = !desk_.questions().empty() || !desk_.muted().empty() || is_at_grants();
      auto change = client_.changed().wait_for(is_counting ? kTick : kIdle);
      (void)co_await change;
    }
    over_.set();
  }

  bool is_at_grants() const { return state_.view() == View::kGrants; }

  void refresh_grants() {
    const SteadyTime now = desk_.clock().now();
    if (!is_at_grants() || now - grants_asked_ < kGrantsEvery) return;
    grants_asked_ = now;
    desk_.list_grants();
  }

  // What the terminal has to be sent for this frame.
  std::string changes(const Frame& frame) {
    std::string text = state_.take_bell() ? "\a" : "";
    if (drawn_ && *drawn_ == frame) return text;
    if (!terminal_.is_screen()) {
      for (const std::string& line : frame.lines) text += line + '\n';
      return text + '\n';
    }
    text += drawn_ ? "\x1b[H" : "\x1b[2J\x1b[H";
    for (std::size_t i = 0; i < frame.lines.size(); ++i) {
      text += frame.lines[i] + "\x1b[K";
      if (i + 1 < frame.lines.size()) text += "\r\n";
    }
    return text + "\x1b[J";
  }

  async::Loop& loop_;
  broker::ApproverDesk& desk_;
  Terminal& terminal_;
  broker::ApproverClient client_;
  ApproveState state_;
  Canvas canvas_;
  std::optional<Frame> drawn_;
  async::Event over_;
  std::optional<int> status_;
  SteadyTime grants_asked_{};
};

}  // namespace

async::Task<> watch_end_signals(async::Loop& loop, std::optional<int>& status, async::Event& came) {
  async::Scope watchers(loop);
  for (const int number : kEndSignals) watchers.spawn(watch_one(loop, number, status, came));
  auto all = watchers.join();
  co_await std::move(all);
}

Result<int> approve_on_terminal(async::Loop& loop, broker::ApproverDesk& desk, const std::string& socket) {
  auto terminal = Terminal::open(loop);
  if (!terminal) return propagate(terminal);
  become_private();
  int status = kDenied;
  {
    Session session(loop, desk, socket, **terminal);
    status = loop.block_on(session.run());
    (*terminal)->leave();
  }
  if (desk.link() == broker::ApproverDesk::Link::kRefused) log::say(desk.why_away());
  return status;
}

}  // namespace shed::applets
