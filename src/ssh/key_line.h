// The fields of lines that have a public key in them, for this room's own use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed::ssh {

inline constexpr std::string_view kBlanks = " \t";

// Without the blanks in front.
std::string_view after_blanks(std::string_view text);
// The next line of a text, without its LF or CRLF.
std::string_view take_line(std::string_view& text);

// Takes what stands in front of the first blank outside of quotes, and the blanks. Nothing where a quote does
// not end.
std::optional<std::string_view> take_options(std::string_view& rest);

// Takes type and base64 and the blanks behind them. On an error nothing is taken. Errors as
// parse_public_key_line() has them.
Result<std::string> take_key(std::string_view& rest);

}  // namespace shed::ssh
