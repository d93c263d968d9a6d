// Result<T>: a value, or an Error that says what went wrong in words for a person.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace shed {

// What a caller may want to act on. The text is for people; the code is for code.
enum class Errc : std::uint8_t {
  kInvalid,      // the input breaks a rule of its format
  kLimit,        // a length, count or queue is over its bound
  kNotFound,     // no such file, key, name
  kPermission,   // the system refused access
  kRefused,      // a peer or a policy said no
  kUnavailable,  // nobody is there to answer, now
  kTimeout,      // the time limit passed
  kClosed,       // the peer closed the connection
  kProtocol,     // the peer broke its protocol
  kExists,       // it is already there, and in the way
  kIo,           // reading or writing failed
  kUnsupported,  // well formed, but not something this program does
  kInternal,     // a bug, or a library that failed in a way it should not
};

class Error {
 public:
  Error(Errc code, std::string text) : text_(std::move(text)), code_(code) {}

  Errc code() const { return code_; }
  const std::string& text() const { return text_; }

  // Puts the object in front of the cause: Error("no such file").in("/run/x.sock").
  Error in(std::string_view object) const { return {code_, fmt::format("{}: {}", object, text_)}; }

 private:
  std::string text_;
  Errc code_;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// return fail(Errc::kLimit, "message of {} bytes is over {}", size, kMax);
template <class... Args>
std::unexpected<Error> fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

// Hands the error of one Result to the caller of another: return propagate(result).
template <class T>
std::unexpected<Error> propagate(const Result<T>& result) {
  return std::unexpected(result.error());
}
template <class T>
std::unexpected<Error> propagate(const Result<T>& result, std::string_view object) {
  return std::unexpected(result.error().in(object));
}

// The error for a failed system call: maps errno to a code and its text (without the call's name).
Error system_error(int errno_value);

}  // namespace shed
