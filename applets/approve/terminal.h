// The terminal of the person: keys one by one, and its own state back at the end.
#pragma once

#include <termios.h>

#include <memory>
#include <string>

#include "shed/async/stream.h"
#include "shed/base/file.h"

namespace shed::applets {

class Terminal {
 public:
  struct Size {
    std::size_t width, height;
  };

  // Opens the terminal that standard input is, anew, so that nobody else's descriptor changes.
  // Errc::kUnsupported where standard input or output is none. One at a time.
  static Result<std::unique_ptr<Terminal>> open(async::Loop& loop);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  // As leave().
  ~Terminal();

  // Keys come one by one and unseen, without what was typed before; Ctrl-C and Ctrl-Z stay signals. On a
  // terminal that knows more than lines, a screen of our own.
  void enter();
  // Everything as it was before enter(). Safe to call in a signal handler.
  void leave();

  Size size() const;
  // It moves its cursor (TERM is neither empty nor "dumb").
  bool is_screen() const { return is_screen_; }
  async::Stream& stream() { return stream_; }

 private:
  Terminal(async::Loop& loop, UniqueFd fd);
  void set(const termios& modes);

  async::Stream stream_;
  bool is_screen_;
  bool entered_ = false;
  termios before_{};
};

}  // namespace shed::applets
