// Keys out of the bytes of a terminal.
//
// What a terminal sends for arrows, function keys and pasted text begins with ESC and holds letters: none of
// them may be taken for an answer. So sequences are read to their end and dropped, and so is what stands
// between the marks of a paste (ESC [ 200 ~ and ESC [ 201 ~).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"

namespace shed::applets {

// A key that was pressed: printable ASCII, or one of these; anything else is kOther.
using Key = char;
inline constexpr Key kEscape = '\x1b';
inline constexpr Key kOther = '\0';

class KeyReader {
 public:
  // After a lone ESC what comes later than this is a key of its own. Terminals send a sequence at once.
  static constexpr Millis kSequenceTime{100};

  std::vector<Key> read(std::string_view bytes, SteadyTime now);
  bool pasting() const { return pasting_; }

 private:
  enum class In { kText, kStart, kParameters, kOneMore };
  void take(unsigned char byte, std::vector<Key>& keys);
  void end_sequence(unsigned char last);

  In in_ = In::kText;
  std::string parameters_;
  bool pasting_ = false;
  SteadyTime last_{};
};

}  // namespace shed::applets
