// Frames: what the two halves of the bus send each other when they run apart (protocol.md section 3).
//
//   byte type | byte[4] length of the payload, big-endian | payload
//
// Type 0x20 carries one envelope as JSON. A length over kMaxFrame ends the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shed/base/buffer.h"
#include "shed/base/result.h"
#include "shed/bus/envelope.h"

namespace shed::bus {

inline constexpr std::size_t kFrameHeader = 5;
inline constexpr std::size_t kMaxFrame = 16 * 1024 * 1024;  // of the payload
inline constexpr std::uint8_t kEnvelopeFrame = 0x20;

struct Frame {
  std::uint8_t type = 0;
  // Of an envelope, with kJsonPadding readable bytes behind it. Empty for every other type, and for an
  // envelope that is longer than the reader takes.
  std::string_view payload;
  std::size_t length = 0;  // as announced
  bool is_too_long() const { return type == kEnvelopeFrame && payload.size() != length; }
};

// Takes frames out of what a connection delivers, where it lies. Its memory grows with the bytes that
// have come, never with a length that was only announced, and goes back after a large frame.
class FrameReader {
 public:
  // What one read asks for.
  static constexpr std::size_t kReadSize = 4096;
  // Memory that is kept between frames: 1,000 idle guests must stay cheap.
  static constexpr std::size_t kKeptCapacity = 2 * kReadSize;

  // `longest` is what is taken of an envelope; one of more, up to kMaxFrame, is passed over.
  explicit FrameReader(std::size_t longest = kMaxFrame) : longest_(longest) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader() { bytes_.wipe(); }  // answers hold credentials

  // kReadSize bytes to read into; commit() says how many came. Ends the views of next(), which has to
  // be asked until it has nothing before the next read: that is what bounds the memory.
  std::span<char> spare();
  void commit(std::size_t count) { bytes_.commit(count); }

  // The next frame; nothing when more bytes are needed first. The view is valid until the next call
  // of next() or spare(). A frame of another type than kEnvelopeFrame, or one that is too long to be
  // taken, is reported once, as soon as its header is there; its payload is dropped as it comes and takes
  // no memory.
  // Errc::kLimit: a length over kMaxFrame. The connection is of no use then, and every further call
  // fails in the same way.
  Result<std::optional<Frame>> next();

  // Between two frames: a connection that ends elsewhere was cut. To be asked when next() had nothing.
  bool at_boundary() const { return available() == 0 && skip_ == 0; }
  std::size_t capacity() const { return bytes_.capacity(); }

 private:
  std::size_t available() const { return bytes_.size() - start_; }
  void drop_skipped();

  std::size_t longest_;
  Buffer bytes_;
  std::size_t start_ = 0;  // of what was not handed out
  std::size_t skip_ = 0;   // bytes of a frame that are to be dropped
};

// Errc::kLimit for a payload over kMaxFrame; nothing is written then.
Status append_frame(Buffer& out, std::uint8_t type, std::string_view payload);
// The same for an envelope, which is written straight into its frame.
Status append_envelope_frame(Buffer& out, const Envelope& envelope);

}  // namespace shed::bus
