#include "http_parser.h"

#include <algorithm>
#include <cstring>

namespace shed::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

const llhttp_settings_t& HttpParser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_url = [](llhttp_t* n, const char* at, size_t length) {
      self(n).extend(self(n).target_, at, length);
      return 0;
    };
    s.on_header_field = [](llhttp_t* n, const char* at, size_t length) {
      HttpParser& parser = self(n);
      if (!parser.naming_ && parser.field_count_ == kMaxFields) return -1;
      if (!parser.naming_) parser.fields_[parser.field_count_++] = {};
      parser.naming_ = true;
      parser.extend(parser.fields_[parser.field_count_ - 1].name, at, length);
      return 0;
    };
    s.on_header_field_complete = [](llhttp_t* n) {
      self(n).naming_ = false;
      return 0;
    };
    s.on_header_value = [](llhttp_t* n, const char* at, size_t length) {
      HttpParser& parser = self(n);
      if (parser.field_count_ == 0) return -1;
      parser.extend(parser.fields_[parser.field_count_ - 1].value, at, length);
      return 0;
    };
    s.on_headers_complete = [](llhttp_t* n) {
      self(n).header_done_ = true;
      return static_cast<int>(HPE_PAUSED);
    };
    s.on_body = [](llhttp_t* n, const char* at, size_t length) { return self(n).on_body(at, length); };
    s.on_message_complete = [](llhttp_t* n) {
      self(n).complete_ = true;
      return static_cast<int>(HPE_PAUSED);
    };
    return s;
  }();
  return kSettings;
}

HttpParser::HttpParser(llhttp_type_t type, HttpLimits limits) : type_(type), limits_(limits) { reset(); }

void HttpParser::reset() {
  llhttp_init(&native_, type_, &settings());
  native_.data = this;
  seen_ = 0;
  target_ = body_ = {};
  field_count_ = 0;
  naming_ = header_done_ = header_reported_ = complete_ = too_large_ = false;
}

// llhttp reports a text in pieces when it arrives in pieces; in the buffer they lie side by side.
void HttpParser::extend(Span& span, const char* at, std::size_t length) const {
  // The end of a piece is kept, not its length: nothing lies between two pieces of one text but
  // the line folding that llhttp refuses.
  const auto begin = static_cast<std::uint32_t>(at - base_);
  if (span.begin == 0 && span.length == 0) span.begin = begin;
  span.length = begin + static_cast<std::uint32_t>(length) - span.begin;
}

int HttpParser::on_body(const char* at, std::size_t length) {
  if (sink_ != nullptr) {
    sink_->append({at, length});
    return 0;
  }
  if (body_.length + length > limits_.body) {
    too_large_ = true;
    return -1;
  }
  const auto begin = static_cast<std::uint32_t>(at - base_);
  if (body_.length == 0) body_.begin = begin;
  // The buffer is ours to change; advance() is const only in that it does not resize it.
  char* end = const_cast<char*>(base_) + body_.begin + body_.length;
  if (end != at) std::memmove(end, at, length);
  body_.length += static_cast<std::uint32_t>(length);
  return 0;
}

Result<HttpParser::Progress> HttpParser::advance(const Buffer& buffer) {
  base_ = buffer.data();
  const char* begin = base_ + seen_;
  const std::size_t length = buffer.size() - seen_;
  return outcome(llhttp_execute(&native_, begin, length), begin, length);
}

Result<HttpParser::Progress> HttpParser::finish() {
  const llhttp_errno_t error = llhttp_finish(&native_);
  if (complete_) return Progress::kComplete;
  if (error == HPE_OK && !started()) return fail(Errc::kClosed, "the connection was closed");
  return fail(Errc::kClosed, "the connection ended in the middle of a message");
}

Result<HttpParser::Progress> HttpParser::outcome(llhttp_errno_t error, const char* begin,
                                                 std::size_t length) {
  if (error == HPE_PAUSED) {
    seen_ += static_cast<std::size_t>(llhttp_get_error_pos(&native_) - begin);
    llhttp_resume(&native_);
  } else if (error == HPE_OK) {
    seen_ += length;
  }
  if (too_large_) return Progress::kBodyTooLarge;
  if (error == HPE_PAUSED_UPGRADE) return fail(Errc::kProtocol, "protocol upgrades are not supported");
  if (error != HPE_OK && error != HPE_PAUSED) {
    return fail(Errc::kProtocol, "not HTTP: {}", llhttp_get_error_reason(&native_));
  }
  if (!header_reported_ && seen_ > limits_.header) {
    return fail(Errc::kLimit, "the header is longer than {} bytes", limits_.header);
  }
  // Chunk sizes, extensions and trailers come on top of the body.
  if (sink_ == nullptr && seen_ > 2 * (limits_.header + limits_.body)) {
    return fail(Errc::kLimit, "the chunked body is mostly framing");
  }
  if (header_done_ && !header_reported_) {
    header_reported_ = true;
    if (sink_ == nullptr && (native_.flags & F_CONTENT_LENGTH) != 0 &&
        native_.content_length > limits_.body) {
      too_large_ = true;
      return Progress::kBodyTooLarge;
    }
    return Progress::kHeader;
  }
  return complete_ ? Progress::kComplete : Progress::kMore;
}

void HttpParser::next_message(Buffer& buffer) {
  buffer.consume(seen_);
  reset();
}

void HttpParser::drop_parsed(Buffer& buffer) {
  buffer.consume(seen_);
  seen_ = 0;
  field_count_ = 0;
}

std::string_view HttpParser::header(const Buffer& buffer, std::string_view name) const {
  for (std::size_t i = 0; i < field_count_; ++i) {
    if (!same_name(text(buffer, fields_[i].name), name)) continue;
    std::string_view value = text(buffer, fields_[i].value);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    return value;
  }
  return {};
}

}  // namespace shed::net
