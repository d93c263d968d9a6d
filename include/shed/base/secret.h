// Secrets wipe themselves, cannot be copied by accident and cannot be formatted.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace shed {

// Overwrites in a way that the compiler keeps.
void wipe(std::span<char> bytes);
void wipe(std::string& text);  // also its spare capacity; leaves it empty

// Compares in time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Bytes that are wiped on destruction, move and reassignment. Has no operator<< and no fmt
// formatter on purpose; reveal() is the one way in, easy to find in a review.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  // Takes the text and leaves `from` wiped and empty.
  static Secret take(std::string& from);
  Secret(Secret&&) noexcept;
  Secret& operator=(Secret&&) noexcept;
  ~Secret();

  std::string_view reveal() const { return {bytes_.get(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Secret clone() const { return Secret(reveal()); }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace shed
