#include "broker/yaml_tree.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "shed/base/secret.h"

namespace shed::broker {

namespace {

// The configuration is five levels deep; the parser recurses, so a bound saves the stack.
constexpr std::size_t kMaxDepth = 32;
// A thousand guests with forty settings each; a bound on memory for a file of 1 MiB of commas.
constexpr std::size_t kMaxNodes = 65536;

struct Stopped {};  // thrown through the parser once a limit is reached and reported

Position position(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

bool standard_tag(const std::string& tag) {
  return tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:");
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Problems& problems) : problems_(problems) {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    problems_.add(position(mark),
                  "a second document or stray text starts here; one document is all that is read");
    throw Stopped{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    place(node(YamlNode::Kind::kNull, mark, "", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.add(position(mark), "aliases (*name) are not read here; write the value out");
    place(node(YamlNode::Kind::kBroken, mark, "", YAML::NullAnchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode scalar = node(YamlNode::Kind::kScalar, mark, tag, anchor);
    scalar.text = value;
    scalar.plain = tag.empty() || tag == "?";
    place(std::move(scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(node(YamlNode::Kind::kSequence, mark, tag, anchor));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(node(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    std::map<std::string, Position, std::less<>> seen;  // keys of a map
    bool wants_value = false;                           // of a map: a key came
    bool drop_value = false;                            // of a map: its key is no good
  };

  YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const Position at = position(mark);
    if (++nodes_ > kMaxNodes) {
      problems_.add(at, "more than {} values in one file", kMaxNodes);
      throw Stopped{};
    }
    if (anchor != YAML::NullAnchor) problems_.add(at, "anchors (&name) are not read here; remove it");
    YamlNode made;
    made.kind = kind;
    made.at = at;
    if (!standard_tag(tag)) {
      problems_.add(at, "the tag {} is not known here; remove it", shown(tag));
      if (kind == YamlNode::Kind::kScalar) made.kind = YamlNode::Kind::kBroken;  // it means something else
    }
    return made;
  }

  void open(YamlNode&& collection) {
    if (frames_.size() >= kMaxDepth) {
      problems_.add(collection.at, "nested deeper than {} levels", kMaxDepth);
      throw Stopped{};
    }
    frames_.emplace_back().node = std::move(collection);
  }

  void close() {
    YamlNode done = std::move(frames_.back().node);
    frames_.pop_back();
    place(std::move(done));
  }

  // Puts a finished value where it belongs: the root, a list, or a map's key or value.
  void place(YamlNode&& value) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_map() && !frame.wants_value) {
      frame.wants_value = true;
      frame.drop_value = !take_key(frame, std::move(value));
      return;
    }
    frame.wants_value = false;
    if (!std::exchange(frame.drop_value, false)) frame.node.items.push_back(std::move(value));
  }

  bool take_key(Frame& frame, YamlNode&& key) {
    if (key.kind == YamlNode::Kind::kBroken) return false;
    if (key.kind != YamlNode::Kind::kScalar) {
      problems_.add(key.at, "a key must be a text; put the name in quotes if it is one");
      return false;
    }
    const auto [first, fresh] = frame.seen.emplace(key.text, key.at);
    if (!fresh) {
      problems_.add(key.at, "'{}' stands here a second time, after line {}; keep one of the two",
                    shown(key.text), first->second.line);
      return false;
    }
    frame.node.keys.push_back({std::move(key.text), key.at});
    return true;
  }

  Problems& problems_;
  YamlNode root_;
  std::vector<Frame> frames_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

// The parser guesses UTF-16 and UTF-32 from the first bytes and passes control characters on:
// neither belongs into a configuration file.
std::optional<Position> first_bad_byte(std::string_view text) {
  Position at{1, 1};
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    const bool space = byte == '\t' || byte == '\n' || byte == '\r';
    if ((value < 0x20 && !space) || value >= 0xFE) return at;
    ++at.column;
    if (byte == '\n') at = {at.line + 1, 1};
  }
  return std::nullopt;
}

void parse(std::string_view text, TreeBuilder& builder) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  // The second call finds what stands behind the first document; the builder refuses it.
  if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(keys, key, &YamlKey::text);
  return found == keys.end() ? nullptr : &items[static_cast<std::size_t>(found - keys.begin())];
}

YamlNode read_yaml(std::string_view text, Problems& problems) {
  if (const auto bad = first_bad_byte(text)) {
    problems.add(*bad, "not a text file in UTF-8: a control character or another encoding");
    return {};
  }
  TreeBuilder builder(problems);
  try {
    parse(text, builder);
    return builder.take();
  } catch (const Stopped&) {
  } catch (const YAML::Exception& error) {
    problems.add(position(error.mark), "not valid YAML: {}", shown(error.msg));
  } catch (const std::exception&) {
    problems.add({}, "not valid YAML: the parser gave up");
  }
  YamlNode broken;
  broken.kind = YamlNode::Kind::kBroken;
  return broken;
}

void wipe_scalars(YamlNode& node) {
  wipe(node.text);
  for (YamlNode& item : node.items) wipe_scalars(item);
}

}  // namespace shed::broker
