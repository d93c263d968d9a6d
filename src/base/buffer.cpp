#include "shed/base/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "shed/base/secret.h"

namespace shed {
namespace {

// Small enough for an idle connection, large enough for most envelopes.
constexpr std::size_t kFirstCapacity = 512;

}  // namespace

Buffer::Buffer(Buffer&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)),
      touched_(std::exchange(other.touched_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  touched_ = std::exchange(other.touched_, 0);
  return *this;
}

void Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(spare(bytes.size()).data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

std::span<char> Buffer::spare(std::size_t want) {
  if (capacity_ - size_ < want) grow(want);
  touched_ = std::max(touched_, size_ + want);
  return {bytes_.get() + size_, want};
}

void Buffer::grow(std::size_t want) {
  const std::size_t capacity = std::max({kFirstCapacity, capacity_ * 2, size_ + want});
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity + kJsonPadding);
  if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  // What is left behind may hold a secret, and nobody can reach it later to wipe it.
  shed::wipe({bytes_.get(), touched_});
  bytes_ = std::move(bytes);
  capacity_ = capacity;
  touched_ = size_;
}

void Buffer::consume(std::size_t count) {
  if (count >= size_) {
    size_ = 0;
    return;
  }
  if (count == 0) return;
  size_ -= count;
  std::memmove(bytes_.get(), bytes_.get() + count, size_);
}

void Buffer::wipe() {
  shed::wipe({bytes_.get(), touched_});
  size_ = 0;
  touched_ = 0;
}

void Buffer::release() {
  wipe();
  bytes_.reset();
  capacity_ = 0;
}

}  // namespace shed
