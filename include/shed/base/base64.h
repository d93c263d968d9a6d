// Base64, RFC 4648 section 4: standard alphabet, padded, no line breaks.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed {

std::string base64_encode(std::string_view bytes);
void base64_append(std::string& out, std::string_view bytes);

// Strict: no white space, padding required, unused bits zero. Errc::kInvalid otherwise.
Result<std::string> base64_decode(std::string_view text);

}  // namespace shed
