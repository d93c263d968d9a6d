// An XML answer in memory of its own, which is wiped: it may hold credentials.
#pragma once

#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::aws {

// Refuses whatever an answer of STS never has, before anybody looks at it: more than one root, a DOCTYPE,
// entities other than XML's own five, deep nesting, control characters, what is not UTF-8.
class XmlAnswer {
 public:
  XmlAnswer() = default;
  XmlAnswer(const XmlAnswer&) = delete;
  XmlAnswer& operator=(const XmlAnswer&) = delete;
  ~XmlAnswer() { wipe(bytes_); }

  // Errc::kProtocol with the reason; never a word of the text.
  Status parse(std::string_view xml);
  pugi::xml_node root() const { return root_; }

 private:
  std::string bytes_;  // what the nodes point into
  pugi::xml_document document_;
  pugi::xml_node root_;
};

// The name without the prefix of its namespace.
std::string_view local_name(const pugi::xml_node& node);

// The one child element of this name; nothing when there is none, or more than one.
std::optional<pugi::xml_node> only_child(const pugi::xml_node& parent, std::string_view name);
bool has_child(const pugi::xml_node& parent, std::string_view name);

// The text of an element that holds nothing else, without the white space around it. Nothing when there
// are elements in it.
std::optional<Secret> text_of(const pugi::xml_node& element);

}  // namespace shed::aws
