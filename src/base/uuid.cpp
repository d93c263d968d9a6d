#include "shed/base/uuid.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#ifdef __APPLE__
#include <sys/random.h>
#endif

// Layout, RFC 9562 section 5.7, big endian:
//   48 bits  milliseconds since 1970
//    4 bits  version, 7
//   12 bits  random
//    2 bits  variant, 0b10
//   62 bits  random

namespace shed {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
// A dash stands in front of these bytes.
constexpr bool dash_before(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

using Bytes = std::array<unsigned char, 16>;

Uuid to_text(const Bytes& bytes) {
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dash_before(i)) uuid.text[at++] = '-';
    uuid.text[at++] = kHexDigits[bytes[i] >> 4];
    uuid.text[at++] = kHexDigits[bytes[i] & 15];
  }
  return uuid;
}

// False for anything but 36 lower-case characters. Upper case is refused on purpose: an id that can
// be written in two ways passes a replay check twice.
bool from_text(std::string_view text, Bytes& bytes) {
  if (text.size() != 36) return false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return false;
    const std::size_t high = kHexDigits.find(text[at++]);
    const std::size_t low = kHexDigits.find(text[at++]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

}  // namespace

Uuid make_uuid7(WallTime now) {
  Bytes bytes;
  // Without randomness an id could be guessed. Linux and macOS fail here only when the kernel has
  // no random source at all, and then no key operation is safe either.
  if (getentropy(bytes.data(), bytes.size()) != 0) std::abort();
  const auto since_epoch = std::chrono::floor<Millis>(now).time_since_epoch().count();
  const auto millis = static_cast<std::uint64_t>(std::max<std::int64_t>(since_epoch, 0));
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<unsigned char>(millis >> (40 - 8 * i));
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x70);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  return to_text(bytes);
}

Result<WallTime> uuid7_time(std::string_view text) {
  Bytes bytes;
  if (!from_text(text, bytes) || bytes[6] >> 4 != 7 || bytes[8] >> 6 != 2) {
    return fail(Errc::kInvalid, "not a version 7 UUID");
  }
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i) millis = millis << 8 | bytes[i];
  // 48 bits reach beyond what the clock's type can hold.
  constexpr auto kLatest = std::chrono::floor<Millis>(WallTime::max()).time_since_epoch().count();
  if (millis > kLatest) return fail(Errc::kInvalid, "the time of this UUID is out of range");
  return WallTime(Millis(millis));
}

}  // namespace shed
