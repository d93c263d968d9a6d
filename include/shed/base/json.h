// JSON: reading with simdjson, writing straight into a buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "shed/base/buffer.h"
#include "shed/base/result.h"

namespace shed {

// Limits that hold for every document: nesting depth, and size as the caller passes it.
inline constexpr std::size_t kJsonMaxDepth = 64;

class JsonDocument;

// A value inside a JsonDocument, valid as long as the document is neither parsed again nor
// destroyed. Look-ups on a value of another type find nothing: no exceptions, no surprises.
// Where a key stands twice in an object, the first one counts.
class JsonValue {
 public:
  JsonValue() = default;  // "nothing": what a failed look-up returns

  bool exists() const { return document_ != nullptr; }
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_null() const;

  JsonValue operator[](std::string_view key) const;  // member of an object
  std::optional<std::string_view> string() const;    // unescaped, UTF-8
  std::optional<std::int64_t> integer() const;       // only what fits exactly
  std::optional<bool> boolean() const;
  // The text, or `otherwise` when absent or of another type.
  std::string_view string_or(std::string_view otherwise) const { return string().value_or(otherwise); }

  std::vector<JsonValue> elements() const;  // of an array; empty for anything else
  std::vector<std::pair<std::string_view, JsonValue>> members() const;  // of an object

 private:
  friend class JsonDocument;
  const void* document_ = nullptr;
  std::size_t index_ = 0;
};

// Parses and validates one whole document. Reusable: memory of an earlier parse serves the next.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;

  // Copies `text` (padding needs room behind it). Errc::kInvalid with the reason for anything but
  // one well-formed UTF-8 document of at most kJsonMaxDepth levels.
  Result<JsonValue> parse(std::string_view text);
  // Without a copy: `text` must have kJsonPadding readable bytes behind it and outlive the values.
  Result<JsonValue> parse_padded(std::string_view text);
  // Overwrites what was parsed: for documents that hold secrets.
  void wipe();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Where a text stops being JSON, for a person who has to mend it; counted from 1, columns in bytes.
// Nothing when it is well formed, or when the parser does not tell.
struct JsonPlace {
  std::size_t line;
  std::size_t column;
};
std::optional<JsonPlace> json_error_place(std::string_view text);
// "<file>:<line>:<column>: <cause>" for the error of a document with this text; without the place where the
// text is JSON and only its content is wrong.
Error json_error_in(std::string_view file, const Error& error, std::string_view text);

// Writes JSON into a string or a Buffer that the caller owns, comma and quoting included:
//   JsonWriter(out).begin_object().field("status", "ok").end_object();
// Invalid UTF-8 in a text becomes U+FFFD, so that what is written always parses.
template <class Out>
class BasicJsonWriter {
 public:
  explicit BasicJsonWriter(Out& out) : out_(out) {}

  BasicJsonWriter& begin_object() { return open('{'); }
  BasicJsonWriter& end_object() { return close('}'); }
  BasicJsonWriter& begin_array() { return open('['); }
  BasicJsonWriter& end_array() { return close(']'); }
  BasicJsonWriter& key(std::string_view name);

  BasicJsonWriter& string(std::string_view text);
  BasicJsonWriter& integer(std::int64_t number);
  BasicJsonWriter& boolean(bool value);
  BasicJsonWriter& null();
  BasicJsonWriter& base64(std::string_view bytes);  // as a string
  BasicJsonWriter& raw(std::string_view json);      // a value that is JSON already

  // Member of the object that is open. A template, so that a string literal is never a bool.
  template <class T>
  BasicJsonWriter& field(std::string_view name, const T& value) {
    key(name);
    if constexpr (std::is_same_v<T, bool>) {
      return boolean(value);
    } else if constexpr (std::is_integral_v<T>) {
      return integer(static_cast<std::int64_t>(value));
    } else {
      return string(value);
    }
  }
  // Left out when empty.
  BasicJsonWriter& field_unless_empty(std::string_view name, std::string_view value) {
    return value.empty() ? *this : field(name, value);
  }

 private:
  BasicJsonWriter& open(char bracket);
  BasicJsonWriter& close(char bracket);
  void separate();

  Out& out_;
  bool comma_ = false;
};

using JsonWriter = BasicJsonWriter<std::string>;
using BufferJsonWriter = BasicJsonWriter<Buffer>;
extern template class BasicJsonWriter<std::string>;
extern template class BasicJsonWriter<Buffer>;

}  // namespace shed
