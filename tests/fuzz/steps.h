// An input as a list of steps: letters, numbers of one byte, and texts with their length in front. It ends
// where the bytes end: what is missing is zero or empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace shed {

inline void require(bool holds) {
  if (!holds) std::abort();
}

class Steps {
 public:
  Steps(const std::uint8_t* data, std::size_t size) : bytes_(reinterpret_cast<const char*>(data), size) {}

  bool done() const { return bytes_.empty(); }
  std::uint8_t number() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::string_view text() {
    const std::size_t count = std::min<std::size_t>(number(), bytes_.size());
    const std::string_view text = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return text;
  }

 private:
  std::string_view bytes_;
};

}  // namespace shed
