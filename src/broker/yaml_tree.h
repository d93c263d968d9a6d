// YAML as a tree in which every value knows its line and column. Built from the parser's events,
// because the library's own tree silently keeps only one of two equal keys and follows aliases
// without a bound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/config_problems.h"

namespace shed::broker {

struct YamlKey {
  std::string text;
  Position at;
};

struct YamlNode {
  enum class Kind {
    kNull,  // nothing, ~ or null
    kScalar,
    kSequence,
    kMap,
    kBroken,  // already reported: say no more about it
  };

  Kind kind = Kind::kNull;
  Position at;
  std::string text;             // of a scalar
  bool plain = false;           // a scalar without quotes: may be a boolean or a number
  std::vector<YamlKey> keys;    // of a map, each once, in the order of the file
  std::vector<YamlNode> items;  // of a sequence, or the values of `keys`

  bool is_map() const { return kind == Kind::kMap; }
  // A map's value; nullptr where the key is missing.
  const YamlNode* find(std::string_view key) const;
};

// The one document in `text`. A text without a document is a null node. What is wrong goes to
// `problems`; the tree then holds what could be read. Never throws.
YamlNode read_yaml(std::string_view text, Problems& problems);

// Overwrites every scalar: for files that hold tokens. (The parser's own copies are out of reach.)
void wipe_scalars(YamlNode& node);

}  // namespace shed::broker
