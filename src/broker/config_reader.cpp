#include "broker/config_reader.h"

#include <algorithm>
#include <charconv>

#include "shed/base/suggest.h"

namespace shed::broker {

namespace {

// Longer than anything that waits, and far from where time arithmetic overflows.
constexpr Millis kMaxDuration = std::chrono::hours(8760);

constexpr std::string_view kTrue[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                      "on",   "On",   "ON",   "y",   "Y"};
constexpr std::string_view kFalse[] = {"false", "False", "FALSE", "no", "No", "NO",
                                       "off",   "Off",   "OFF",   "n",  "N"};

std::optional<bool> yaml_boolean(std::string_view text) {
  if (std::ranges::find(kTrue, text) != std::end(kTrue)) return true;
  if (std::ranges::find(kFalse, text) != std::end(kFalse)) return false;
  return std::nullopt;
}

std::string_view kind_name(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kScalar:
      return "a text";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    default:
      return "nothing";
  }
}

std::string join(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates) {
  const std::string_view meant = nearest(typed, candidates);
  return meant.empty() ? std::string() : fmt::format(", did you mean '{}'?", meant);
}

void ConfigReader::wrong_type(const Setting& setting, std::string_view wanted) {
  if (setting.node->kind == YamlNode::Kind::kBroken) return;
  const std::string_view what = setting.path.empty() ? "the file" : std::string_view(setting.path);
  problems_.add(setting.at(), "{} must be {}, here is {}", what, wanted, kind_name(*setting.node));
}

bool ConfigReader::map(const Setting& setting, std::string_view wanted) {
  if (!setting.present()) return false;
  if (setting.node->is_map()) return true;
  wrong_type(setting, wanted);
  return false;
}

bool ConfigReader::section(const Setting& setting, std::span<const std::string_view> keys) {
  if (!map(setting, fmt::format("a map with keys such as '{}'", keys.front()))) return false;
  for (const YamlKey& key : setting.node->keys) {
    if (std::ranges::find(keys, key.text) == keys.end()) unknown_key(setting, key, keys);
  }
  return true;
}

void ConfigReader::unknown_key(const Setting& setting, const YamlKey& key,
                               std::span<const std::string_view> keys) {
  const std::string_view where = setting.path.empty() ? "this file" : std::string_view(setting.path);
  std::string remedy = did_you_mean(key.text, keys);
  if (remedy.empty()) remedy = fmt::format("; known are {}", join(keys));
  problems_.add(key.at, "'{}' is not a key of {}{}", shown(key.text), where, remedy);
}

bool ConfigReader::names(const Setting& setting) {
  if (!map(setting, "a map of names")) return false;
  for (const YamlKey& key : setting.node->keys) {
    if (key.text.empty()) problems_.add(key.at, "a name in {} is empty", setting.path);
  }
  return true;
}

Setting ConfigReader::member(const Setting& map, std::string_view key) const {
  std::string path = map.path.empty() ? shown(key) : fmt::format("{}.{}", map.path, shown(key));
  return {map.node->find(key), std::move(path)};
}

const std::string* ConfigReader::scalar(const Setting& setting, std::string_view wanted) {
  if (!setting.present()) return nullptr;
  if (setting.node->kind == YamlNode::Kind::kScalar) return &setting.node->text;
  wrong_type(setting, wanted);
  return nullptr;
}

std::optional<std::string> ConfigReader::text(const Setting& setting) {
  const std::string* value = scalar(setting, "a text");
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::optional<std::string> ConfigReader::text_unless_empty(const Setting& setting) {
  auto value = text(setting);
  if (value && value->empty()) return std::nullopt;
  return value;
}

std::optional<std::vector<std::string>> ConfigReader::texts(const Setting& setting) {
  if (!setting.present()) return std::nullopt;
  if (setting.node->kind != YamlNode::Kind::kSequence) {
    wrong_type(setting, "a list such as [a, b]");
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (const YamlNode& item : setting.node->items) {
    const bool scalar_item = item.kind == YamlNode::Kind::kScalar;
    if (scalar_item && !item.text.empty()) {
      out.push_back(item.text);
    } else if (item.kind != YamlNode::Kind::kBroken) {
      problems_.add(item.at, "an entry of {} must be a text, here is {}", setting.path,
                    scalar_item ? "an empty one" : kind_name(item));
    }
  }
  return out;
}

std::optional<bool> ConfigReader::boolean(const Setting& setting, std::string_view wanted) {
  const std::string* value = scalar(setting, wanted);
  if (value == nullptr) return std::nullopt;
  const auto truth = yaml_boolean(*value);
  if (truth && setting.node->plain) return truth;
  if (truth) {
    problems_.add(setting.at(), "{} must be {}; \"{}\" in quotes is a text, remove the quotes", setting.path,
                  wanted, *value);
  } else {
    problems_.add(setting.at(), "{} must be {}, \"{}\" is neither", setting.path, wanted, shown(*value));
  }
  return std::nullopt;
}

std::optional<Millis> ConfigReader::duration(const Setting& setting) {
  const std::string* value = scalar(setting, "a duration such as 25s");
  if (value == nullptr || value->empty()) return std::nullopt;
  const auto parsed = parse_duration(*value);
  if (!parsed) {
    const std::string remedy = is_number(*value) ? fmt::format("it has no unit: {}s", shown(*value))
                                                 : std::string("write it like 25s, 5m or 1h30m");
    problems_.add(setting.at(), "{} \"{}\" is not a valid duration, {}", setting.path, shown(*value), remedy);
  } else if (*parsed <= Millis(0)) {
    problems_.add(setting.at(), "{} \"{}\" must be positive, at least 1ms", setting.path, shown(*value));
  } else if (*parsed > kMaxDuration) {
    problems_.add(setting.at(), "{} \"{}\" is too long, at most 8760h", setting.path, shown(*value));
  } else {
    return *parsed;
  }
  return std::nullopt;
}

std::optional<std::uint16_t> ConfigReader::port(const Setting& setting) {
  const std::string* value = scalar(setting, "a port number");
  if (value == nullptr) return std::nullopt;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error == std::errc() && end == value->data() + value->size()) return number;
  problems_.add(setting.at(), "{} \"{}\" is not a port number, 1 to 65535", setting.path, shown(*value));
  return std::nullopt;
}

std::optional<std::size_t> ConfigReader::choice(const Setting& setting,
                                                std::span<const std::string_view> choices) {
  const std::string* value = scalar(setting, fmt::format("one of {}", join(choices)));
  if (value == nullptr || value->empty()) return std::nullopt;
  const auto found = std::ranges::find(choices, *value);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  problems_.add(setting.at(), "{} \"{}\" is not one of {}{}", setting.path, shown(*value), join(choices),
                did_you_mean(*value, choices));
  return std::nullopt;
}

}  // namespace shed::broker
