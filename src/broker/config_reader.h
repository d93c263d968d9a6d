// Typed reading of a YAML tree: each function returns the value, or nothing when there is none or
// when it was wrong, which it has then reported with the path of the key ("aws.servers.mini2.mode").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config_problems.h"
#include "broker/yaml_tree.h"
#include "shed/base/clock.h"

namespace shed::broker {

// One value and the name that a message gives it.
struct Setting {
  const YamlNode* node = nullptr;  // nullptr: the key is not there
  std::string path;

  bool present() const { return node != nullptr && node->kind != YamlNode::Kind::kNull; }
  Position at() const { return node != nullptr ? node->at : Position{}; }
};

class ConfigReader {
 public:
  explicit ConfigReader(Problems& problems) : problems_(problems) {}
  Problems& problems() { return problems_; }

  // False when it is absent or no map.
  bool map(const Setting& setting, std::string_view wanted = "a map");
  // A map whose keys are these and no others.
  bool section(const Setting& setting, std::span<const std::string_view> keys);
  // A map whose keys are names that the person chose.
  bool names(const Setting& setting);
  Setting member(const Setting& map, std::string_view key) const;
  // Calls read(name, value) for each of them.
  template <class Read>
  void each_name(const Setting& map, Read read) {
    if (!names(map)) return;
    for (const YamlKey& key : map.node->keys) read(key.text, member(map, key.text));
  }

  std::optional<std::string> text(const Setting& setting);
  std::optional<std::string> text_unless_empty(const Setting& setting);
  std::optional<std::vector<std::string>> texts(const Setting& setting);
  // YAML 1.1: true, false, yes, no, on, off, y, n in the three spellings, without quotes.
  std::optional<bool> boolean(const Setting& setting, std::string_view wanted = "true or false");
  // Positive, at most a year; an empty text counts as absent.
  std::optional<Millis> duration(const Setting& setting);
  std::optional<std::uint16_t> port(const Setting& setting);
  // One of `choices`: its index. An empty text counts as absent.
  std::optional<std::size_t> choice(const Setting& setting, std::span<const std::string_view> choices);

  void wrong_type(const Setting& setting, std::string_view wanted);

 private:
  const std::string* scalar(const Setting& setting, std::string_view wanted);
  void unknown_key(const Setting& setting, const YamlKey& key, std::span<const std::string_view> keys);

  Problems& problems_;
};

// ", did you mean 'policy'?" or nothing.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates);

}  // namespace shed::broker
