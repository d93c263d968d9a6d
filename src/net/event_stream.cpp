#include "shed/net/event_stream.h"

namespace shed::net {

Result<std::optional<std::string_view>> EventStreamReader::next() {
  if (delivered_) {
    data_.clear();
    has_data_ = delivered_ = false;
  }
  for (;;) {
    const std::string_view rest = input_.view().substr(parsed_);
    const auto end = rest.find_first_of("\r\n");
    // A lone CR at the end may be the first half of CR LF.
    if (end == rest.npos || (rest[end] == '\r' && end + 1 == rest.size())) break;
    const std::size_t eol = rest[end] == '\r' && rest[end + 1] == '\n' ? 2 : 1;
    parsed_ += end + eol;
    if (end > 0) {
      take_line(rest.substr(0, end));
      if (data_.size() > max_event_) break;
    } else if (has_data_) {
      data_.spare(kJsonPadding);
      delivered_ = true;
      return data_.view();
    }
  }
  input_.consume(parsed_);
  parsed_ = 0;
  if (data_.size() > max_event_ || input_.size() > max_event_ + 64) {
    return fail(Errc::kLimit, "an event is longer than {} bytes", max_event_);
  }
  return std::nullopt;
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
  while (!json.empty()) {
    const auto newline = json.find_first_of("\r\n");
    out.append(json.substr(0, newline));
    if (newline == json.npos) break;
    out.push_back(' ');
    json.remove_prefix(newline + 1);
  }
  out.append("\n\n");
}

}  // namespace shed::net
