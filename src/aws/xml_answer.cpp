#include "xml_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/utf8.h"
#include "shed/aws/sts_messages.h"

namespace shed::aws {
namespace {

// STS's answers have five levels.
constexpr int kMaxDepth = 16;
constexpr std::string_view kBlank = " \t\r\n";

// XML 1.0, section 2.2.
bool is_xml_character(std::uint32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  return c < 0xd800 || (c > 0xdfff && c < 0xfffe) || (c > 0xffff && c < 0x110000);
}

bool is_xml_text(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character c = first_utf8_character(text);
    if (c.length == 0 || !is_xml_character(c.code)) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

// What stands between '&' and ';'.
bool is_plain_reference(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kEntities{"amp", "lt", "gt", "quot", "apos"};
  if (!name.starts_with('#')) return std::ranges::find(kEntities, name) != kEntities.end();
  name.remove_prefix(1);
  const bool hexadecimal = name.starts_with('x');
  if (hexadecimal) name.remove_prefix(1);
  std::uint32_t code = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, code, hexadecimal ? 16 : 10);
  return error == std::errc() && stop == end && is_xml_character(code);
}

// The parser leaves unknown references as they stand, and ends a text at "&#0;".
bool has_plain_references(std::string_view xml) {
  constexpr std::string_view kCdata = "<![CDATA[";
  constexpr std::string_view kCdataEnd = "]]>";
  constexpr std::size_t kLongestReference = 12;
  for (std::size_t at = xml.find_first_of("&<"); at != xml.npos; at = xml.find_first_of("&<", at + 1)) {
    if (xml[at] == '<') {
      if (!xml.substr(at).starts_with(kCdata)) continue;
      at = xml.find(kCdataEnd, at);
      if (at == xml.npos) return false;
      continue;
    }
    const std::string_view rest = xml.substr(at + 1, kLongestReference);
    const std::size_t end = rest.find(';');
    if (end == rest.npos || !is_plain_reference(rest.substr(0, end))) return false;
  }
  return true;
}

// Without recursion: the depth is what is asked.
bool is_flat(const pugi::xml_node& root) {
  int depth = 0;
  pugi::xml_node node = root;
  for (;;) {
    if (const pugi::xml_node child = node.first_child()) {
      if (++depth > kMaxDepth) return false;
      node = child;
      continue;
    }
    while (node != root && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node == root) return true;
    node = node.next_sibling();
  }
}

bool is_text(const pugi::xml_node& node) {
  return node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
}

}  // namespace

Status XmlAnswer::parse(std::string_view xml) {
  if (xml.size() > kMaxStsAnswer) return fail(Errc::kProtocol, "the answer has over {} bytes", kMaxStsAnswer);
  if (!is_xml_text(xml)) return fail(Errc::kProtocol, "the answer is not text");
  if (!has_plain_references(xml)) return fail(Errc::kProtocol, "the answer has entities of its own");
  // The parser takes the last byte for its own end mark, and does not miss what stood there outside of a tag.
  bytes_.reserve(xml.size() + 1);
  bytes_.assign(xml) += '\n';
  constexpr unsigned kFlags = pugi::parse_default | pugi::parse_doctype | pugi::parse_fragment;
  const auto parsed =
      document_.load_buffer_inplace(bytes_.data(), bytes_.size(), kFlags, pugi::encoding_utf8);
  if (!parsed) return fail(Errc::kProtocol, "the answer is not XML");
  for (const pugi::xml_node& node : document_.children()) {
    const bool is_root = node.type() == pugi::node_element && !root_;
    if (!is_root) return fail(Errc::kProtocol, "the answer is not a single XML element");
    root_ = node;
  }
  if (!root_) return fail(Errc::kProtocol, "the answer is not XML");
  if (!is_flat(root_)) return fail(Errc::kProtocol, "the answer has more than {} levels", kMaxDepth);
  return {};
}

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.find(':') + 1);  // npos + 1 is the whole name
}

std::optional<pugi::xml_node> only_child(const pugi::xml_node& parent, std::string_view name) {
  std::optional<pugi::xml_node> found;
  for (const pugi::xml_node& child : parent.children()) {
    if (child.type() != pugi::node_element || local_name(child) != name) continue;
    if (found) return std::nullopt;
    found = child;
  }
  return found;
}

bool has_child(const pugi::xml_node& parent, std::string_view name) {
  const auto children = parent.children();
  return std::any_of(children.begin(), children.end(), [name](const pugi::xml_node& child) {
    return child.type() == pugi::node_element && local_name(child) == name;
  });
}

std::optional<Secret> text_of(const pugi::xml_node& element) {
  std::size_t size = 0;
  for (const pugi::xml_node& child : element.children()) {
    if (!is_text(child)) return std::nullopt;
    size += std::string_view(child.value()).size();
  }
  std::string text;
  text.reserve(size);
  for (const pugi::xml_node& child : element.children()) text += child.value();
  const std::size_t first = std::min(text.find_first_not_of(kBlank), text.size());
  const std::size_t end = text.find_last_not_of(kBlank) + 1;
  Secret trimmed(std::string_view(text).substr(first, std::max(end, first) - first));
  wipe(text);
  return trimmed;
}

}  // namespace shed::aws
