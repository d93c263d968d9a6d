#include <optional>
#include <vector>

#include "profile_reader.h"

namespace shed::aws {
namespace {

bool is_quote(char c) { return c == '"' || c == '\''; }

// The closing bracket: one inside of quotes belongs to the name, unless the quote never ends.
std::size_t find_end(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (quote != 0) {
      if (line[i] == quote) quote = 0;
    } else if (is_quote(line[i])) {
      quote = line[i];
    } else if (line[i] == ']') {
      return i;
    }
  }
  return line.find(']');
}

// The word at the front of `rest`, which it is taken from. Nothing when a quote does not end.
std::optional<std::string> take_word(std::string_view& rest) {
  std::string word;
  while (!rest.empty() && kProfileBlank.find(rest.front()) == kProfileBlank.npos) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (!is_quote(c)) {
      word += c;
      continue;
    }
    const std::size_t end = rest.find(c);
    if (end == rest.npos) return std::nullopt;
    word += rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  return word;
}

// The one or two words of a header. Nothing for any other text.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    auto word = take_word(text);
    if (!word || words.size() == 2) return {};
    words.push_back(std::move(*word));
  }
  return words;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kProfileBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kProfileBlank) - first + 1);
}

Result<SectionHeader> parse_section_header(std::string_view line) {
  const std::size_t end = find_end(line);
  if (end == line.npos) return fail(Errc::kInvalid, "the section's name lacks its closing bracket");
  const std::string_view behind = trimmed(line.substr(end + 1));
  if (!behind.empty() && behind[0] != '#' && behind[0] != ';') {
    return fail(Errc::kInvalid, "there is more on the line than the section's name");
  }
  const std::string_view text = trimmed(line.substr(1, end - 1));
  if (text.empty()) return fail(Errc::kInvalid, "the section has no name");
  std::vector<std::string> words = words_of(text);
  SectionHeader header{{}, std::string(text), std::string(text)};
  if (!words.empty()) header.name = std::move(words.back());
  if (words.size() == 2) header.kind = std::move(words.front());
  return header;
}

}  // namespace shed::aws
