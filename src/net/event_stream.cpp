#include "shed/net/event_stream.h"

#include <algorithm>

namespace shed::net {
namespace {

// What stands around the data of an event: "data: " and the line's end, and a field or two more.
constexpr std::size_t kMaxFraming = 64;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

Result<std::optional<std::string_view>> EventStreamReader::next() {
  if (delivered_) {
    data_.clear();
    has_data_ = delivered_ = false;
  }
  while (data_.size() <= max_event_) {
    const auto line = next_line();
    if (!line) break;
    if (!line->empty()) {
      take_line(*line);
    } else if (has_data_) {
      data_.spare(kJsonPadding);
      delivered_ = true;
      return data_.view();
    }
  }
  input_.consume(parsed_);
  scanned_ -= parsed_;
  parsed_ = 0;
  if (data_.size() > max_event_ || input_.size() > max_event_ + kMaxFraming) {
    return fail(Errc::kLimit, "an event is longer than {} bytes", max_event_);
  }
  return std::nullopt;
}

// A line ends with LF, CR LF or CR. After a CR at the end of what is there, nobody waits for the LF
// that may follow: it would hold back an event until the next one comes.
std::optional<std::string_view> EventStreamReader::next_line() {
  const std::string_view input = input_.view();
  if (after_cr_ && parsed_ < input.size()) {
    if (input[parsed_] == '\n') ++parsed_;
    after_cr_ = false;
  }
  scanned_ = std::max(scanned_, parsed_);
  // Two searches for one byte each are many times faster than one for either of two.
  const auto lf = std::min(input.find('\n', scanned_), input.size());
  const auto end = std::min(input.substr(0, lf).find('\r', scanned_), lf);
  scanned_ = end;
  if (end == input.size()) return std::nullopt;
  std::string_view line = input.substr(parsed_, end - parsed_);
  after_cr_ = input[end] == '\r';
  parsed_ = scanned_ = end + 1;
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  return line;
}

void EventStreamReader::take_line(std::string_view line) {
  constexpr std::string_view kField = "data";
  if (!line.starts_with(kField)) return;
  line.remove_prefix(kField.size());
  if (!line.empty() && line.front() != ':') return;
  if (!line.empty()) line.remove_prefix(1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (has_data_) data_.push_back('\n');
  data_.append(line);
  has_data_ = true;
}

void append_event(Buffer& out, std::string_view json) {
  out.append("event: message\ndata: ");
  const std::size_t begin = out.size();
  out.append(json);
  std::replace(out.data() + begin, out.data() + out.size(), '\n', ' ');
  std::replace(out.data() + begin, out.data() + out.size(), '\r', ' ');
  out.append("\n\n");
}

}  // namespace shed::net
