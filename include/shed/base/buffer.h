// A growing byte buffer with room behind its end for simdjson, so that what was received can be
// parsed where it lies.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace shed {

// Bytes simdjson may read (not use) behind the end of its input; checked against the library in
// base/json.cpp.
inline constexpr std::size_t kJsonPadding = 64;

// Owns its bytes. Capacity is kept until release(): a buffer that is used again and again stops
// allocating. Growing moves the bytes: keep offsets, not views, across an append.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&&) noexcept;
  Buffer& operator=(Buffer&&) noexcept;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  const char* data() const { return bytes_.get(); }
  char* data() { return bytes_.get(); }
  std::string_view view() const { return {bytes_.get(), size_}; }
  std::string_view view(std::size_t offset, std::size_t length) const {
    return view().substr(offset, length);
  }

  // `bytes` must not lie in this buffer.
  void append(std::string_view bytes);
  void push_back(char byte) { append({&byte, 1}); }

  // `want` bytes to write into; commit() makes the first `used` of them part of the buffer.
  std::span<char> spare(std::size_t want);
  void commit(std::size_t used) { size_ += used; }

  // Drops the first `count` bytes and moves the rest to the front.
  void consume(std::size_t count);
  void truncate(std::size_t size) { size_ = size < size_ ? size : size_; }
  void clear() { size_ = 0; }

  // Overwrites what is there before forgetting it: for bytes that may hold a secret.
  void wipe();
  // Gives the memory back.
  void release();

 private:
  void grow(std::size_t want);

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // without the padding
  std::size_t touched_ = 0;   // bytes that were ever handed out to write: what wipe() overwrites
};

}  // namespace shed
