// UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shed {

struct Utf8Character {
  std::uint32_t code = 0;
  std::size_t length = 0;  // in bytes; 0 when the text does not start with a valid character
};

// The first character of `text`, which must not be empty.
Utf8Character first_utf8_character(std::string_view text);

}  // namespace shed
