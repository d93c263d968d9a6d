#include <array>
#include <charconv>

#include "base/base64_blocks.h"
#include "base/utf8.h"
#include "shed/base/json.h"

namespace shed {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// RFC 8259 section 7: what must not stand in a string as it is.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

template <class Out>
void append_escape(Out& out, char c) {
  switch (c) {
    case '"':
      return void(out.append(std::string_view("\\\"")));
    case '\\':
      return void(out.append(std::string_view("\\\\")));
    case '\b':
      return void(out.append(std::string_view("\\b")));
    case '\f':
      return void(out.append(std::string_view("\\f")));
    case '\n':
      return void(out.append(std::string_view("\\n")));
    case '\r':
      return void(out.append(std::string_view("\\r")));
    case '\t':
      return void(out.append(std::string_view("\\t")));
    default: {
      constexpr std::string_view kHex = "0123456789abcdef";
      const std::array<char, 6> text = {'\\', 'u', '0', '0', kHex[c >> 4 & 15], kHex[c & 15]};
      out.append(std::string_view(text.data(), text.size()));
    }
  }
}

// U+0080 to U+009F: JSON does not mind them, but a terminal obeys them, and people look at what is written,
// such as the audit log, as it stands.
bool is_c1(std::string_view character) {
  return character.size() == 2 && character[0] == '\xc2' && static_cast<unsigned char>(character[1]) < 0xa0;
}

// Appends the first character of `text`, which is not plain, and returns its length.
template <class Out>
std::size_t append_special(Out& out, std::string_view text) {
  if (static_cast<unsigned char>(text[0]) < 0x80) {
    append_escape(out, text[0]);
    return 1;
  }
  const std::size_t length = first_utf8_character(text).length;
  if (is_c1(text.substr(0, length))) {
    append_escape(out, text[1]);
    return length;
  }
  out.append(length == 0 ? kReplacement : text.substr(0, length));
  return length == 0 ? 1 : length;
}

template <class Out>
void append_quoted(Out& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (!text.empty()) text.remove_prefix(append_special(out, text));
  }
  out.push_back('"');
}

}  // namespace

template <class Out>
void BasicJsonWriter<Out>::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
  return *this;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
  return *this;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::key(std::string_view name) {
  separate();
  append_quoted(out_, name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::string(std::string_view text) {
  separate();
  append_quoted(out_, text);
  return *this;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::integer(std::int64_t number) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return raw({text.data(), static_cast<std::size_t>(end - text.data())});
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::boolean(bool value) {
  return raw(value ? "true" : "false");
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::null() {
  return raw("null");
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::base64(std::string_view bytes) {
  separate();
  out_.push_back('"');
  append_base64(out_, bytes);
  out_.push_back('"');
  return *this;
}

template <class Out>
BasicJsonWriter<Out>& BasicJsonWriter<Out>::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

template class BasicJsonWriter<std::string>;
template class BasicJsonWriter<Buffer>;

}  // namespace shed
