// Any bytes as frames, in pieces of a length that the first byte says: however they are cut, the same
// frames must come out.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shed/bus/envelope.h"
#include "shed/bus/frame.h"

namespace {

using namespace shed;

// What came out, as text, and whether it ended with an error.
std::string read_all(std::string_view bytes, std::size_t piece) {
  bus::FrameReader reader;
  bus::EnvelopeDecoder decoder;
  std::string seen;
  while (!bytes.empty()) {
    const auto room = reader.spare();
    const std::size_t count = std::min({piece, room.size(), bytes.size()});
    std::ranges::copy(bytes.substr(0, count), room.begin());
    reader.commit(count);
    bytes.remove_prefix(count);
    for (;;) {
      const auto frame = reader.next();
      if (!frame) return seen + "error";
      if (!frame->has_value()) break;
      seen += fmt::format("{}:{}:{};", (*frame)->type, (*frame)->payload.size(), (*frame)->payload);
      static_cast<void>(decoder.decode((*frame)->payload));
    }
  }
  return seen + (reader.at_boundary() ? "end" : "cut");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (read_all(bytes, std::size_t{data[0]} + 1) != read_all(bytes, bus::FrameReader::kReadSize)) std::abort();
  return 0;
}
