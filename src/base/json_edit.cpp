#include "shed/base/json_edit.h"

#include <simdjson.h>

#include <optional>
#include <span>

#include "shed/base/json.h"

namespace shed {
namespace {

namespace ondemand = simdjson::ondemand;

struct Range {
  std::size_t start;
  std::size_t length;
};

// Where the value of the object's member stands; nothing when it has none. The text is known to be good.
std::optional<Range> value_range(const std::string& padded, std::size_t size, std::string_view key) {
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(padded.data(), size, padded.size()).get(document) != simdjson::SUCCESS)
    return std::nullopt;
  if (document.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  std::optional<Range> found;
  for (auto field : object) {
    std::string_view name;
    ondemand::value value;
    std::string_view raw;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) return std::nullopt;
    const bool wanted = name == key;
    if (field.value().get(value) != simdjson::SUCCESS) return std::nullopt;
    if (!wanted) continue;
    // The last of several counts for those who read it with Go.
    ondemand::json_type type;
    if (value.type().get(type) != simdjson::SUCCESS) return std::nullopt;
    const bool nested = type == ondemand::json_type::object || type == ondemand::json_type::array;
    if (!nested) {
      raw = value.raw_json_token();
    } else if (simdjson::to_json_string(value).get(raw) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    while (raw.ends_with(' ') || raw.ends_with('\n') || raw.ends_with('\r') || raw.ends_with('\t')) {
      raw.remove_suffix(1);
    }
    found = Range{static_cast<std::size_t>(raw.data() - padded.data()), raw.size()};
  }
  return found;
}

std::string quoted(std::string_view text) {
  std::string out;
  JsonWriter(out).string(text);
  return out;
}

}  // namespace

Result<std::string> json_with_member(std::string_view text, std::string_view key, std::string_view value) {
  if (text.find_first_not_of(" \t\r\n") == text.npos) text = "{}";
  JsonDocument document;
  const auto root = document.parse(text);
  if (!root) return propagate(root);
  if (!root->is_object()) return fail(Errc::kInvalid, "it is not a JSON object");
  std::string padded(text);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  std::string result(text);
  if (const auto there = value_range(padded, text.size(), key)) {
    result.replace(there->start, there->length, quoted(value));
    return result;
  }
  const std::string_view comma = root->members().empty() ? "\n" : ",";
  result.insert(text.find('{') + 1, fmt::format("\n\t{}: {}{}", quoted(key), quoted(value), comma));
  return result;
}

}  // namespace shed
