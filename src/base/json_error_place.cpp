// The DOM parser that reads documents does not tell where it stopped; the on-demand one does, when a
// document is walked through.
#include <simdjson.h>

#include <algorithm>

#include "shed/base/json.h"
#include "shed/base/secret.h"

namespace shed {
namespace {

namespace ondemand = simdjson::ondemand;

bool walk(ondemand::value value, std::size_t depth);

bool walk_array(ondemand::value value, std::size_t depth) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  for (auto element : array) {
    ondemand::value inner;
    if (element.get(inner) != simdjson::SUCCESS || !walk(inner, depth)) return false;
  }
  return true;
}

bool walk_object(ondemand::value value, std::size_t depth) {
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  for (auto field : object) {
    std::string_view key;
    ondemand::value inner;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (field.value().get(inner) != simdjson::SUCCESS || !walk(inner, depth)) return false;
  }
  return true;
}

bool walk(ondemand::value value, std::size_t depth) {
  ondemand::json_type type;
  if (depth == 0 || value.type().get(type) != simdjson::SUCCESS) return false;
  std::string_view text;
  double number = 0;
  bool truth = false;
  switch (type) {
    case ondemand::json_type::object:
      return walk_object(value, depth - 1);
    case ondemand::json_type::array:
      return walk_array(value, depth - 1);
    case ondemand::json_type::string:
      return value.get_string().get(text) == simdjson::SUCCESS;
    case ondemand::json_type::number:
      return value.get_double().get(number) == simdjson::SUCCESS;
    case ondemand::json_type::boolean:
      return value.get_bool().get(truth) == simdjson::SUCCESS;
    case ondemand::json_type::null:
      return value.is_null().get(truth) == simdjson::SUCCESS;
  }
  return false;
}

JsonPlace place_of(std::string_view before) {
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is the start of the text
  const auto lines = static_cast<std::size_t>(std::ranges::count(before, '\n'));
  return {lines + 1, before.size() - line_start + 1};
}

}  // namespace

std::optional<JsonPlace> json_error_place(std::string_view text) {
  std::string padded(text);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  std::optional<JsonPlace> place;
  ondemand::parser parser;
  ondemand::document document;
  if (parser.iterate(padded.data(), text.size(), padded.size()).get(document) == simdjson::SUCCESS) {
    ondemand::value root;
    const char* stopped = nullptr;
    const bool walked = document.get_value().get(root) == simdjson::SUCCESS && walk(root, kJsonMaxDepth);
    if (!walked && document.current_location().get(stopped) == simdjson::SUCCESS) {
      const auto offset = static_cast<std::size_t>(stopped - padded.data());
      place = place_of(text.substr(0, std::min(offset, text.size())));
    }
  }
  wipe(padded);
  return place;
}

Error json_error_in(std::string_view file, const Error& error, std::string_view text) {
  const auto place = json_error_place(text);
  return place ? error.in(fmt::format("{}:{}:{}", file, place->line, place->column)) : error.in(file);
}

}  // namespace shed
