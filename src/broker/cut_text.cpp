#include "broker/cut_text.h"

#include <algorithm>

namespace shed::broker {
namespace {

bool is_within_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string_view front_of(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t length = most;
  while (length > 0 && is_within_character(text[length])) --length;
  return text.substr(0, length);
}

std::string_view back_of(std::string_view text, std::size_t most) {
  std::size_t from = text.size() - std::min(text.size(), most);
  while (from > 0 && from < text.size() && is_within_character(text[from])) ++from;
  return text.substr(from);
}

std::string both_ends(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  std::string out(front_of(text, most / 2));
  out += "…";
  out += back_of(text, most / 2);
  return out;
}

}  // namespace shed::broker
