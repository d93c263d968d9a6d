#include "shed/base/secret.h"

#include <cstring>
#include <utility>

namespace shed {

void wipe(std::span<char> bytes) {
  if (bytes.empty()) return;
  std::memset(bytes.data(), 0, bytes.size());
  // The compiler must assume that somebody reads the zeros, so it cannot leave them out.
  asm volatile("" : : "r"(bytes.data()) : "memory");
}

void wipe(std::string& text) {
  text.resize(text.capacity());  // never reallocates
  wipe(std::span(text.data(), text.size()));
  text.clear();
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    // Keeps the loop from learning that it could stop early.
    asm volatile("" : "+r"(difference));
  }
  return difference == 0;
}

Secret::Secret(std::string_view bytes) : size_(bytes.size()) {
  if (bytes.empty()) return;
  bytes_ = std::make_unique_for_overwrite<char[]>(size_);
  std::memcpy(bytes_.get(), bytes.data(), size_);
}

Secret Secret::take(std::string& from) {
  Secret secret{std::string_view(from)};
  wipe(from);
  return secret;
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(std::span(bytes_.get(), size_));
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

Secret::~Secret() { wipe(std::span(bytes_.get(), size_)); }

}  // namespace shed
