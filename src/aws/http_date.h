// The Date header (RFC 9110, section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", the one form in use.
#pragma once

#include <optional>
#include <string_view>

#include "shed/base/clock.h"

namespace shed::aws {

std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace shed::aws
