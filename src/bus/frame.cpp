#include "shed/bus/frame.h"

#include <algorithm>
#include <array>

namespace shed::bus {
namespace {

std::size_t read_length(std::string_view header) {
  std::size_t length = 0;
  for (const char byte : header.substr(1, kFrameHeader - 1)) {
    length = length << 8 | static_cast<unsigned char>(byte);
  }
  return length;
}

std::array<char, kFrameHeader> header_of(std::uint8_t type, std::size_t length) {
  std::array<char, kFrameHeader> header{static_cast<char>(type)};
  for (std::size_t i = kFrameHeader - 1; i > 0; --i) {
    header[i] = static_cast<char>(length & 0xff);
    length >>= 8;
  }
  return header;
}

Status check_length(std::size_t length) {
  if (length <= kMaxFrame) return {};
  return fail(Errc::kLimit, "a frame of {} bytes is over the limit of {}", length, kMaxFrame);
}

}  // namespace

std::span<char> FrameReader::spare() {
  if (available() == 0) {
    bytes_.wipe();
    if (bytes_.capacity() > kKeptCapacity) bytes_.release();
  } else {
    bytes_.consume(start_);
  }
  start_ = 0;
  return bytes_.spare(kReadSize);
}

void FrameReader::drop_skipped() {
  const std::size_t count = std::min(skip_, available());
  start_ += count;
  skip_ -= count;
}

Result<std::optional<Frame>> FrameReader::next() {
  drop_skipped();
  if (available() < kFrameHeader) return std::nullopt;
  const std::string_view header = bytes_.view(start_, kFrameHeader);
  const std::size_t length = read_length(header);
  if (const Status checked = check_length(length); !checked) return propagate(checked);
  Frame frame{static_cast<std::uint8_t>(header.front()), {}, length};
  if (frame.type != kEnvelopeFrame || length > longest_) {
    start_ += kFrameHeader;
    skip_ = length;
    drop_skipped();
    return frame;
  }
  if (available() - kFrameHeader < length) return std::nullopt;
  frame.payload = bytes_.view(start_ + kFrameHeader, length);
  start_ += kFrameHeader + length;
  return frame;
}

Status append_frame(Buffer& out, std::uint8_t type, std::string_view payload) {
  if (const Status checked = check_length(payload.size()); !checked) return checked;
  const auto header = header_of(type, payload.size());
  out.append({header.data(), header.size()});
  out.append(payload);
  return {};
}

Status append_envelope_frame(Buffer& out, const Envelope& envelope) {
  const std::size_t start = out.size();
  out.append(std::string_view("\0\0\0\0\0", kFrameHeader));
  append_envelope(out, envelope);
  const std::size_t length = out.size() - start - kFrameHeader;
  if (const Status checked = check_length(length); !checked) {
    out.truncate(start);
    return checked;
  }
  std::ranges::copy(header_of(kEnvelopeFrame, length), out.data() + start);
  return {};
}

}  // namespace shed::bus
