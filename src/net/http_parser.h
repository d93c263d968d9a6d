// llhttp, told to remember offsets into the receive buffer instead of copying.
//
// A message lies in one Buffer: header first, body behind it. A chunked body is moved together, so
// that body() is one view in every case.
#pragma once

#include <llhttp.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "shed/base/buffer.h"
#include "shed/base/result.h"

namespace shed::net {

struct HttpLimits {
  std::size_t header;
  std::size_t body;
};

class HttpParser {
 public:
  HttpParser(llhttp_type_t type, HttpLimits limits);
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  enum class Progress { kMore, kHeader, kBodyTooLarge, kComplete };

  // Parses what the buffer holds beyond the bytes already seen. Stops after the header, and again
  // after the last byte of the body; later bytes belong to the next message. Trailers are passed
  // over: what comes behind a body was not there when somebody decided on the header.
  // Errc::kProtocol for what is not HTTP/1.0 or 1.1, or can be read in two ways; kLimit for a header
  // that is too long.
  Result<Progress> advance(Buffer& buffer);
  // The peer closed: completes a response whose body has no other end.
  Result<Progress> finish();
  // Makes ready for the next message and drops this one from the buffer, in which nothing of it
  // is left.
  void next_message(Buffer& buffer);
  // The message is the answer to HEAD, whose header speaks of a body that does not come. Before the
  // first advance().
  void expect_no_body() { bodiless_ = true; }
  // From now on body bytes go to `sink` and the receive buffer holds nothing but what is to parse.
  void stream_body_into(Buffer& sink) { sink_ = &sink; }
  void drop_parsed(Buffer& buffer);

  std::string_view method() const { return llhttp_method_name(static_cast<llhttp_method_t>(native_.method)); }
  int status() const { return native_.status_code; }
  bool is_http_1_0() const { return native_.http_minor == 0; }
  bool keep_alive() const { return llhttp_should_keep_alive(&native_) != 0; }
  bool started() const { return seen_ > 0; }

  // Views into the buffer that was parsed.
  std::string_view target(const Buffer& buffer) const { return text(buffer, target_); }
  std::string_view header(const Buffer& buffer, std::string_view name) const;
  std::string_view body(const Buffer& buffer) const { return text(buffer, body_); }
  // Overwrites the body, and behind it what chunks left when they were moved together.
  void wipe_body(Buffer& buffer) const;

 private:
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
  };
  struct Field {
    Span name, value;
  };
  static constexpr std::size_t kMaxFields = 64;

  static const llhttp_settings_t& settings();
  static HttpParser& self(llhttp_t* native) { return *static_cast<HttpParser*>(native->data); }
  static std::string_view text(const Buffer& buffer, Span span) {
    return buffer.view(span.begin, span.length);
  }
  void reset();
  void extend(Span& span, const char* at, std::size_t length) const;
  int on_header_field(const char* at, std::size_t length);
  int on_header_value(const char* at, std::size_t length);
  int on_body(const char* at, std::size_t length);
  Result<Progress> outcome(llhttp_errno_t error, const char* begin, std::size_t length);
  Result<Progress> header_outcome();
  Status check_header() const;
  std::size_t count_fields(std::string_view name, std::string_view& last) const;
  std::string_view parsed(Span span) const { return {base_ + span.begin, span.length}; }

  llhttp_t native_;
  llhttp_type_t type_;
  HttpLimits limits_;
  char* base_ = nullptr;  // the buffer's bytes during advance()
  std::size_t seen_ = 0;  // bytes of the buffer that llhttp has had
  Span target_, body_;
  std::array<Field, kMaxFields> fields_;
  std::size_t field_count_ = 0;
  bool naming_ = false;  // inside a field's name
  bool header_done_ = false;
  bool header_reported_ = false;
  bool complete_ = false;
  bool too_large_ = false;
  bool too_many_fields_ = false;
  bool bodiless_ = false;
  Buffer* sink_ = nullptr;
};

// Header names are ASCII and compared without regard to case.
bool same_name(std::string_view a, std::string_view b);

}  // namespace shed::net
