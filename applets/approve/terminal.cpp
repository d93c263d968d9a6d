#include "approve/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>

namespace shed::applets {
namespace {

// The other screen, without a cursor, and marks around what is pasted.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?2004l\x1b[?25h\x1b[0m\x1b[?1049l";

// What a terminal may say of itself.
constexpr std::size_t kWidest = 500;

Terminal* open_terminal = nullptr;

// What is broken must not leave a broken terminal.
[[noreturn]] void leave_and_abort() {
  if (open_terminal != nullptr) open_terminal->leave();
  std::abort();
}

std::string path_of_terminal() {
  char path[128];
  // Not /dev/tty: macOS cannot wait for that one.
  return ::ttyname_r(STDIN_FILENO, path, sizeof path) == 0 ? path : "/dev/tty";
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open(async::Loop& loop) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0)
    return fail(Errc::kUnsupported, "standard input and output are no terminal");
  const std::string path = path_of_terminal();
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!fd) return std::unexpected(system_error(errno).in(path));
  return std::unique_ptr<Terminal>(new Terminal(loop, std::move(fd)));
}

Terminal::Terminal(async::Loop& loop, UniqueFd fd) : stream_(loop, std::move(fd)) {
  const std::string kind = environment("TERM");
  is_screen_ = !kind.empty() && kind != "dumb";
  open_terminal = this;
  std::set_terminate(leave_and_abort);
}

Terminal::~Terminal() {
  leave();
  open_terminal = nullptr;
}

void Terminal::enter() {
  if (!entered_ && ::tcgetattr(stream_.fd(), &before_) != 0) return;
  entered_ = true;
  termios ours = before_;
  ours.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ours.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL | INLCR);
  ours.c_cc[VMIN] = 1;
  ours.c_cc[VTIME] = 0;
  // With what was typed before nobody can have meant what comes now.
  set(ours);
  if (is_screen_) (void)!::write(stream_.fd(), kEnter.data(), kEnter.size());
}

void Terminal::leave() {
  if (!entered_) return;
  entered_ = false;
  if (is_screen_) (void)!::write(stream_.fd(), kLeave.data(), kLeave.size());
  set(before_);
}

// Not TCSAFLUSH, which waits for a terminal that takes nothing any more.
void Terminal::set(const termios& modes) {
  ::tcsetattr(stream_.fd(), TCSANOW, &modes);
  ::tcflush(stream_.fd(), TCIFLUSH);
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (::ioctl(stream_.fd(), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {std::min<std::size_t>(size.ws_col, kWidest), std::min<std::size_t>(size.ws_row, kWidest)};
}

}  // namespace shed::applets
