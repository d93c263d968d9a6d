#include "approve/keys.h"

namespace shed::applets {
namespace {

// Of a sequence that matters; of longer ones only the end is looked for.
constexpr std::size_t kMaxParameters = 16;

}  // namespace

std::vector<Key> KeyReader::read(std::string_view bytes, SteadyTime now) {
  std::vector<Key> keys;
  // A sequence that has begun is read to its end, however slow the line is: what follows may be a paste.
  if (in_ == In::kStart && now - last_ > kSequenceTime) in_ = In::kText;
  last_ = now;
  for (const char byte : bytes) take(static_cast<unsigned char>(byte), keys);
  // Whether a sequence follows nobody knows yet: the key means no more than "back".
  if (in_ == In::kStart && !pasting_) keys.push_back(kEscape);
  return keys;
}

void KeyReader::take(unsigned char byte, std::vector<Key>& keys) {
  switch (in_) {
    case In::kText:
      if (byte == 0x1b) {
        in_ = In::kStart;
      } else if (!pasting_) {
        keys.push_back(byte >= 0x20 && byte < 0x7f ? static_cast<Key>(byte) : kOther);
      }
      return;
    case In::kStart:
      parameters_.clear();
      if (byte == 0x1b) return;
      // Anything else is a key pressed together with Alt, and none of ours.
      in_ = byte == '[' ? In::kParameters : byte == 'O' ? In::kOneMore : In::kText;
      return;
    case In::kParameters:
      if (byte >= 0x40 && byte <= 0x7e) return end_sequence(byte);
      if (parameters_.size() < kMaxParameters) parameters_.push_back(static_cast<char>(byte));
      return;
    case In::kOneMore:
      in_ = In::kText;
      return;
  }
}

void KeyReader::end_sequence(unsigned char last) {
  in_ = In::kText;
  if (last != '~') return;
  if (parameters_ == "200") pasting_ = true;
  if (parameters_ == "201") pasting_ = false;
}

}  // namespace shed::applets
