// Base64 into anything that has append(string_view), without a copy of the whole text in between.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace shed {

inline constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Writes the padded text of `bytes` to `out` and returns its length: 4 characters for every 3 bytes
// begun.
inline std::size_t encode_base64_block(std::string_view bytes, char* out) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  std::size_t length = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 3, length += 4) {
    const unsigned group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out[length] = kBase64Alphabet[group >> 18];
    out[length + 1] = kBase64Alphabet[group >> 12 & 63];
    out[length + 2] = i + 1 < bytes.size() ? kBase64Alphabet[group >> 6 & 63] : '=';
    out[length + 3] = i + 2 < bytes.size() ? kBase64Alphabet[group & 63] : '=';
  }
  return length;
}

template <class Out>
void append_base64(Out& out, std::string_view bytes) {
  // A multiple of 3, so that padding only follows the last block.
  constexpr std::size_t kBlock = 384;
  std::array<char, kBlock / 3 * 4> text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kBlock, bytes.size()))) {
    const std::size_t length = encode_base64_block(bytes.substr(0, kBlock), text.data());
    out.append(std::string_view(text.data(), length));
  }
}

}  // namespace shed
