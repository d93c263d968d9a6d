#include "shed/ssh/wire.h"

namespace shed::ssh {
namespace {

bool high_bit(char byte) { return (static_cast<unsigned char>(byte) & 0x80) != 0; }

template <class T>
T big_endian(std::string_view bytes) {
  T value = 0;
  for (const char byte : bytes) value = static_cast<T>((value << 8) | static_cast<unsigned char>(byte));
  return value;
}

template <class T>
void append_big_endian(std::string& out, T value) {
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

}  // namespace

Result<std::string_view> WireReader::bytes(std::size_t count) {
  if (count > rest_.size()) return fail(Errc::kInvalid, "{} bytes wanted, {} left", count, rest_.size());
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

template <class T>
Result<T> WireReader::number() {
  const auto taken = bytes(sizeof(T));
  if (!taken) return propagate(taken);
  return big_endian<T>(*taken);
}

Result<std::uint8_t> WireReader::byte() { return number<std::uint8_t>(); }
Result<std::uint32_t> WireReader::uint32() { return number<std::uint32_t>(); }
Result<std::uint64_t> WireReader::uint64() { return number<std::uint64_t>(); }

Result<bool> WireReader::boolean() {
  const auto value = byte();
  if (!value) return propagate(value);
  return *value != 0;
}

Result<std::string_view> WireReader::string() {
  const std::string_view before = rest_;
  const auto length = uint32();
  if (!length) return propagate(length);
  auto taken = bytes(*length);
  if (!taken) rest_ = before;
  return taken;
}

Result<std::string_view> WireReader::mpint() { return string(); }

Result<std::string_view> WireReader::positive_mpint() {
  const std::string_view before = rest_;
  const auto raw = mpint();
  if (!raw) return propagate(raw);
  std::string_view magnitude = *raw;
  const bool signed_byte = magnitude.size() > 1 && magnitude[0] == 0 && high_bit(magnitude[1]);
  if (signed_byte) magnitude.remove_prefix(1);
  // A zero that nothing needs is refused: one number must not have two forms that compare unequal.
  if (magnitude.empty() || magnitude[0] == 0 || (high_bit(magnitude[0]) && !signed_byte)) {
    rest_ = before;
    return fail(Errc::kInvalid, "not a positive number in its shortest form");
  }
  return magnitude;
}

Status WireReader::end() const {
  if (!rest_.empty()) return fail(Errc::kInvalid, "{} bytes too many", rest_.size());
  return {};
}

WireWriter& WireWriter::byte(std::uint8_t value) {
  out_.push_back(static_cast<char>(value));
  return *this;
}

WireWriter& WireWriter::uint32(std::uint32_t value) {
  append_big_endian(out_, value);
  return *this;
}

WireWriter& WireWriter::uint64(std::uint64_t value) {
  append_big_endian(out_, value);
  return *this;
}

WireWriter& WireWriter::string(std::string_view bytes) {
  uint32(static_cast<std::uint32_t>(bytes.size()));
  out_.append(bytes);
  return *this;
}

WireWriter& WireWriter::mpint(std::string_view magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude.remove_prefix(1);
  const bool needs_sign_byte = !magnitude.empty() && high_bit(magnitude[0]);
  uint32(static_cast<std::uint32_t>(magnitude.size() + (needs_sign_byte ? 1 : 0)));
  if (needs_sign_byte) out_.push_back('\0');
  out_.append(magnitude);
  return *this;
}

WireWriter& WireWriter::bytes(std::string_view bytes) {
  out_.append(bytes);
  return *this;
}

}  // namespace shed::ssh
