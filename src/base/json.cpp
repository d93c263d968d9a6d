#include "shed/base/json.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>

#include "shed/base/secret.h"

namespace shed {
namespace {

namespace dom = simdjson::dom;

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);
// A JsonValue is a simdjson element under a name that keeps its headers out of ours: a document and
// an index into its tape.
static_assert(sizeof(JsonValue) == sizeof(dom::element) && alignof(JsonValue) == alignof(dom::element));
static_assert(std::is_trivially_copyable_v<JsonValue> && std::is_trivially_copyable_v<dom::element>);

dom::element to_element(const JsonValue& value) { return std::bit_cast<dom::element>(value); }
JsonValue to_value(const dom::element& element) { return std::bit_cast<JsonValue>(element); }

bool has_type(const JsonValue& value, dom::element_type type) {
  return value.exists() && to_element(value).type() == type;
}

// simdjson refuses the level that reaches its limit, and does not count an empty array or object.
constexpr std::size_t kDepthForParser = kJsonMaxDepth + 1;
constexpr std::size_t kFirstCapacity = 1024;

std::unexpected<Error> parse_error(simdjson::error_code code) {
  switch (code) {
    case simdjson::CAPACITY:
      return fail(Errc::kLimit, "JSON document is too large");
    case simdjson::MEMALLOC:
      return fail(Errc::kLimit, "no memory for the JSON document");
    case simdjson::DEPTH_ERROR:
      return fail(Errc::kInvalid, "JSON is nested deeper than {} levels", kJsonMaxDepth);
    case simdjson::UTF8_ERROR:
      return fail(Errc::kInvalid, "JSON is not valid UTF-8");
    case simdjson::EMPTY:
      return fail(Errc::kInvalid, "JSON document is empty");
    case simdjson::UNCLOSED_STRING:
      return fail(Errc::kInvalid, "a JSON string does not end");
    case simdjson::STRING_ERROR:
      return fail(Errc::kInvalid, "a JSON string has a wrong escape");
    case simdjson::UNESCAPED_CHARS:
      return fail(Errc::kInvalid, "a JSON string has a control character");
    case simdjson::NUMBER_ERROR:
      return fail(Errc::kInvalid, "a JSON number is malformed or out of range");
    default:
      return fail(Errc::kInvalid, "not well-formed JSON");
  }
}

}  // namespace

bool JsonValue::is_object() const { return has_type(*this, dom::element_type::OBJECT); }
bool JsonValue::is_array() const { return has_type(*this, dom::element_type::ARRAY); }
bool JsonValue::is_string() const { return has_type(*this, dom::element_type::STRING); }
bool JsonValue::is_null() const { return has_type(*this, dom::element_type::NULL_VALUE); }

JsonValue JsonValue::operator[](std::string_view key) const {
  if (!is_object()) return {};
  dom::element found;
  if (to_element(*this).at_key(key).get(found) != simdjson::SUCCESS) return {};
  return to_value(found);
}

std::optional<std::string_view> JsonValue::string() const {
  std::string_view text;
  if (!exists() || to_element(*this).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<std::int64_t> JsonValue::integer() const {
  std::int64_t number = 0;
  if (!exists() || to_element(*this).get_int64().get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

std::optional<bool> JsonValue::boolean() const {
  bool value = false;
  if (!exists() || to_element(*this).get_bool().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::vector<JsonValue> JsonValue::elements() const {
  std::vector<JsonValue> values;
  dom::array array;
  if (!exists() || to_element(*this).get_array().get(array) != simdjson::SUCCESS) return values;
  values.reserve(array.size());
  for (const dom::element element : array) values.push_back(to_value(element));
  return values;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string_view, JsonValue>> values;
  dom::object object;
  if (!exists() || to_element(*this).get_object().get(object) != simdjson::SUCCESS) return values;
  values.reserve(object.size());
  for (const auto& [key, element] : object) values.emplace_back(key, to_value(element));
  return values;
}

struct JsonDocument::State {
  dom::parser parser;
  dom::document document;
  Buffer copy;
  std::size_t capacity = 0;
  std::size_t dirty = 0;  // length of the longest text parsed since the last wipe

  simdjson::error_code reserve(std::size_t size) {
    if (size <= capacity) return simdjson::SUCCESS;
    if (size > simdjson::SIMDJSON_MAXSIZE_BYTES) return simdjson::CAPACITY;
    // simdjson gives its old memory back as it is.
    wipe_parsed();
    capacity = 0;
    // Doubling, so that texts of about the same length soon need nothing new.
    const std::size_t wanted = std::min(std::bit_ceil(std::max(size, kFirstCapacity)),
                                        std::size_t{simdjson::SIMDJSON_MAXSIZE_BYTES});
    if (const auto error = parser.allocate(wanted, kDepthForParser)) return error;
    if (const auto error = document.allocate(wanted)) return error;
    capacity = wanted;
    return simdjson::SUCCESS;
  }

  // simdjson's bounds for a text of `dirty` bytes: as many words of tape and 3 more, and 5/3 of the
  // bytes for strings, which it writes in blocks.
  void wipe_parsed() {
    if (capacity == 0 || dirty == 0) return;
    shed::wipe({reinterpret_cast<char*>(document.tape.get()), (dirty + 3) * sizeof(std::uint64_t)});
    shed::wipe({reinterpret_cast<char*>(document.string_buf.get()), 5 * dirty / 3 + kJsonPadding});
    dirty = 0;
  }
};

JsonDocument::JsonDocument() : state_(std::make_unique<State>()) {}
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;

Result<JsonValue> JsonDocument::parse(std::string_view text) {
  Buffer& copy = state_->copy;
  copy.clear();
  copy.append(text);
  return parse_padded(copy.view());
}

Result<JsonValue> JsonDocument::parse_padded(std::string_view text) {
  if (text.empty()) return parse_error(simdjson::EMPTY);
  if (const auto error = state_->reserve(text.size())) return parse_error(error);
  state_->dirty = std::max(state_->dirty, text.size());
  dom::element root;
  const auto result = state_->parser.parse_into_document(state_->document, text.data(), text.size(), false);
  if (const auto error = result.get(root)) return parse_error(error);
  return to_value(root);
}

void JsonDocument::wipe() {
  state_->wipe_parsed();
  state_->copy.wipe();
}

}  // namespace shed
