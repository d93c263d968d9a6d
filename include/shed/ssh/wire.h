// The data types of the SSH protocols, RFC 4251 section 5. All numbers are big-endian.
//
//   byte, boolean   1 byte (any byte but 0 is true)
//   uint32, uint64  4, 8 bytes
//   string          uint32 length, that many bytes
//   mpint           a string: two's complement, as short as it can be, 0 is the empty string
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed::ssh {

// Reads front to back. What it returns are views into the bytes it was given: they live as long as
// those do. A failed read is Errc::kInvalid and leaves the position where it was.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  Result<std::uint8_t> byte();
  Result<bool> boolean();
  Result<std::uint32_t> uint32();
  Result<std::uint64_t> uint64();
  Result<std::string_view> string();
  // The mpint's bytes as they stand, sign byte and all.
  Result<std::string_view> mpint();
  // The magnitude of an mpint that is greater than 0 and written as short as it can be, without the
  // sign byte; Errc::kInvalid for any other.
  Result<std::string_view> positive_mpint();
  // Exactly `count` bytes without a length in front.
  Result<std::string_view> bytes(std::size_t count);

  std::string_view remaining() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  // Errc::kInvalid when something is left.
  Status end() const;

 private:
  template <class T>
  Result<T> number();

  std::string_view rest_;
};

// Appends to a string that the caller owns and that outlives the writer. A string longer than
// 2^32 - 1 bytes has no encoding; callers bound theirs far below.
class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}

  WireWriter& byte(std::uint8_t value);
  WireWriter& boolean(bool value) { return byte(value ? 1 : 0); }
  WireWriter& uint32(std::uint32_t value);
  WireWriter& uint64(std::uint64_t value);
  WireWriter& string(std::string_view bytes);
  // From an unsigned big-endian number, with or without leading zeros.
  WireWriter& mpint(std::string_view magnitude);
  // As they are, without a length.
  WireWriter& bytes(std::string_view bytes);

 private:
  std::string& out_;
};

}  // namespace shed::ssh
