// Changing one member of a JSON file that belongs to somebody else.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed {

// `text` with the member `key` of its top-level object set to this string; everything else stays byte for
// byte. An empty text counts as {}. Errc::kInvalid when it is no JSON object: see json_error_in().
Result<std::string> json_with_member(std::string_view text, std::string_view key, std::string_view value);

}  // namespace shed
