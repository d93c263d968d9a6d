// UUID version 7, RFC 9562 section 5.7: the ids of envelopes.
#pragma once

#include <array>
#include <string_view>

#include "shed/base/clock.h"

namespace shed {

// 36 characters, lower case with dashes. Random bits from the system; later ids of one process
// sort after earlier ones of another millisecond.
struct Uuid {
  std::array<char, 36> text;
  std::string_view view() const { return {text.data(), text.size()}; }
};

Uuid make_uuid7(WallTime now);

// The time inside a version 7 UUID; Errc::kInvalid for any other text.
Result<WallTime> uuid7_time(std::string_view text);

}  // namespace shed
