// Server-sent events (WHATWG HTML, section 9.2): reading and writing.
#pragma once

#include <optional>
#include <string_view>

#include "shed/base/buffer.h"
#include "shed/base/result.h"

namespace shed::net {

// Bytes in, events out. Data lines of one event are joined with a newline; comments and unknown
// fields are passed over.
class EventStreamReader {
 public:
  explicit EventStreamReader(std::size_t max_event = 1024 * 1024) : max_event_(max_event) {}

  // Where the next bytes of the stream go.
  Buffer& input() { return input_; }

  // The data of the next complete event, with kJsonPadding readable bytes behind it, valid until
  // the next call; nothing when more input is needed. Errc::kLimit when an event is too long: the
  // stream cannot be used any more.
  Result<std::optional<std::string_view>> next();

 private:
  std::optional<std::string_view> next_line();
  void take_line(std::string_view line);

  std::size_t max_event_;
  Buffer input_;
  std::size_t parsed_ = 0;   // bytes of input_ that are done with
  std::size_t scanned_ = 0;  // bytes of input_ that hold no line end, behind parsed_
  Buffer data_;
  bool after_cr_ = false;  // the last line ended with CR: a LF that follows belongs to it
  bool first_line_ = true;
  bool has_data_ = false;
  bool delivered_ = false;
};

// Appends one event of type "message". Newlines in `json` become spaces: outside its strings they
// mean nothing, and inside JSON has none.
void append_event(Buffer& out, std::string_view json);

}  // namespace shed::net
