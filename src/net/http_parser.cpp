#include "http_parser.h"

#include <algorithm>
#include <cstring>

#include "shed/base/secret.h"

namespace shed::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view value) {
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  return value;
}

// A message with its chunk sizes, extensions and trailers: one that has more of them than these serves to
// fill memory.
std::size_t with_framing(const HttpLimits& limits) {
  return 2 * limits.header + limits.body + limits.body / 4;
}

// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || kMarks.find(c) != kMarks.npos;
  });
}

// Every line ends with CR LF, none continues the one before, and no CR stands elsewhere.
bool lines_are_plain(std::string_view header) {
  std::size_t line_ends = 0;
  for (auto lf = header.find('\n'); lf != header.npos; lf = header.find('\n', lf + 1)) {
    if (lf == 0 || header[lf - 1] != '\r') return false;
    if (lf + 1 < header.size() && (header[lf + 1] == ' ' || header[lf + 1] == '\t')) return false;
    ++line_ends;
  }
  return std::count(header.begin(), header.end(), '\r') == static_cast<std::ptrdiff_t>(line_ends);
}

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
      return self(n).on_header_field(at, length);
    };
    s.on_header_field_complete = [](llhttp_t* n) {
      self(n).naming_ = false;
      return 0;
    };
    s.on_header_value = [](llhttp_t* n, const char* at, size_t length) {
      return self(n).on_header_value(at, length);
    };
    s.on_headers_complete = [](llhttp_t* n) {
      HttpParser& parser = self(n);
      parser.header_done_ = true;
      // These have no body whatever their header says (RFC 9112, section 6.3).
      const int status = parser.type_ == HTTP_RESPONSE ? n->status_code : 0;
      if (status / 100 == 1 || status == 204 || status == 304) parser.bodiless_ = true;
      if (parser.bodiless_) n->flags |= F_SKIPBODY;
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
  naming_ = header_done_ = header_reported_ = complete_ = false;
  too_large_ = too_many_fields_ = bodiless_ = false;
}

// llhttp reports a text in pieces when it arrives in pieces; in the buffer they lie side by side.
void HttpParser::extend(Span& span, const char* at, std::size_t length) const {
  // The end of a piece is kept, not its length: nothing lies between two pieces of one text.
  const auto begin = static_cast<std::uint32_t>(at - base_);
  if (span.begin == 0 && span.length == 0) span.begin = begin;
  span.length = begin + static_cast<std::uint32_t>(length) - span.begin;
}

int HttpParser::on_header_field(const char* at, std::size_t length) {
  if (header_done_) return 0;  // a trailer
  if (!naming_) {
    if (field_count_ == kMaxFields) {
      too_many_fields_ = true;
      return -1;
    }
    fields_[field_count_++] = {};
    naming_ = true;
  }
  extend(fields_[field_count_ - 1].name, at, length);
  return 0;
}

int HttpParser::on_header_value(const char* at, std::size_t length) {
  if (header_done_) return 0;
  if (field_count_ == 0) return -1;
  extend(fields_[field_count_ - 1].value, at, length);
  return 0;
}

int HttpParser::on_body(const char* at, std::size_t length) {
  if (sink_ != nullptr) {
    sink_->append({at, length});
    return 0;
  }
  if (length > limits_.body - body_.length) {
    too_large_ = true;
    return -1;
  }
  const auto begin = static_cast<std::uint32_t>(at - base_);
  if (body_.length == 0) body_.begin = begin;
  char* end = base_ + body_.begin + body_.length;
  if (end != at) std::memmove(end, at, length);
  body_.length += static_cast<std::uint32_t>(length);
  return 0;
}

Result<HttpParser::Progress> HttpParser::advance(Buffer& buffer) {
  base_ = buffer.data();
  // llhttp does arithmetic even with what a buffer without memory has for an address.
  const char* begin = base_ == nullptr ? "" : base_ + seen_;
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
  if (too_many_fields_) return fail(Errc::kLimit, "the header has more than {} fields", kMaxFields);
  if (!header_reported_ && seen_ > limits_.header) {
    return fail(Errc::kLimit, "the header is longer than {} bytes", limits_.header);
  }
  if (error != HPE_OK && error != HPE_PAUSED) {
    return fail(Errc::kProtocol, "not HTTP: {}", llhttp_get_error_reason(&native_));
  }
  if (header_done_ && !header_reported_) return header_outcome();
  if (sink_ == nullptr && seen_ > with_framing(limits_)) {
    too_large_ = true;
    return Progress::kBodyTooLarge;
  }
  return complete_ ? Progress::kComplete : Progress::kMore;
}

Result<HttpParser::Progress> HttpParser::header_outcome() {
  header_reported_ = true;
  if (const Status checked = check_header(); !checked) return propagate(checked);
  const bool announced = (native_.flags & F_CONTENT_LENGTH) != 0 && !bodiless_;
  if (sink_ == nullptr && announced && native_.content_length > limits_.body) {
    too_large_ = true;
    return Progress::kBodyTooLarge;
  }
  return Progress::kHeader;
}

// Everything that two programs could read in two ways (RFC 9112, sections 2.2, 5.2, 6.1 and 11.2),
// whatever llhttp in this version and build says to it: a second request hidden in the first would
// be answered as if somebody else had sent it.
Status HttpParser::check_header() const {
  const std::string_view behind_target = {base_ + target_.begin + target_.length,
                                          seen_ - target_.begin - target_.length};
  const bool other_protocol = type_ == HTTP_REQUEST && !behind_target.starts_with(" HTTP/");
  if (other_protocol || native_.http_major != 1 || native_.http_minor > 1) {
    return fail(Errc::kProtocol, "not HTTP/1.0 or 1.1");
  }
  if (!lines_are_plain({base_, seen_})) {
    return fail(Errc::kProtocol, "header lines must end with CR LF and not be folded");
  }
  const auto has_name = [this](const Field& field) { return is_token(parsed(field.name)); };
  if (!std::all_of(fields_.begin(), fields_.begin() + field_count_, has_name)) {
    return fail(Errc::kProtocol, "a header's name is not one word");
  }
  std::string_view value;
  const std::size_t codings = count_fields("transfer-encoding", value);
  if (codings > 1 || (codings == 1 && !same_name(value, "chunked")) || (codings == 1 && is_http_1_0())) {
    return fail(Errc::kProtocol, "the only transfer-encoding supported is chunked");
  }
  const std::size_t lengths = count_fields("content-length", value);
  if (lengths > 1 || (lengths == 1 && codings == 1)) {
    return fail(Errc::kProtocol, "the header gives the body's length twice");
  }
  const std::size_t hosts = count_fields("host", value);
  if (type_ == HTTP_REQUEST && (hosts > 1 || (hosts == 0 && !is_http_1_0()))) {
    return fail(Errc::kProtocol, "a request has one host header");
  }
  return {};
}

std::size_t HttpParser::count_fields(std::string_view name, std::string_view& last) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < field_count_; ++i) {
    if (!same_name(parsed(fields_[i].name), name)) continue;
    last = trimmed(parsed(fields_[i].value));
    ++count;
  }
  return count;
}

void HttpParser::next_message(Buffer& buffer) {
  // A message may hold a secret, and the next one need not be as long.
  const std::size_t size = buffer.size();
  buffer.consume(seen_);
  wipe({buffer.data() + buffer.size(), size - buffer.size()});
  reset();
}

void HttpParser::drop_parsed(Buffer& buffer) {
  buffer.consume(seen_);
  seen_ = 0;
  field_count_ = 0;
}

void HttpParser::wipe_body(Buffer& buffer) const {
  if (body_.length > 0) wipe({buffer.data() + body_.begin, seen_ - body_.begin});
}

std::string_view HttpParser::header(const Buffer& buffer, std::string_view name) const {
  for (std::size_t i = 0; i < field_count_; ++i) {
    if (!same_name(text(buffer, fields_[i].name), name)) continue;
    return trimmed(text(buffer, fields_[i].value));
  }
  return {};
}

}  // namespace shed::net
