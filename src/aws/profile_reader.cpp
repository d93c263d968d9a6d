#include "profile_reader.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace shed::aws {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_control(std::uint32_t code) { return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0); }

// Names of profiles come up in messages, values go into requests: what has no place in either is
// refused here, with its line.
Status check_text(std::string_view line) {
  while (!line.empty()) {
    const Utf8Character c = first_utf8_character(line);
    if (c.length == 0) return fail(Errc::kInvalid, "the file is not UTF-8 text");
    if (is_control(c.code)) return fail(Errc::kInvalid, "there is a control character on the line");
    line.remove_prefix(c.length);
  }
  return {};
}

struct Setting {
  std::string key;
  std::string_view value;
};

// "Key = value", "key: value": the first of the two signs counts.
Result<Setting> split_setting(std::string_view line) {
  const std::size_t sign = line.find_first_of("=:");
  if (sign == line.npos) return fail(Errc::kInvalid, "the line is neither a section nor KEY = VALUE");
  Setting setting{std::string(trimmed(line.substr(0, sign))), trimmed(line.substr(sign + 1))};
  if (setting.key.empty()) return fail(Errc::kInvalid, "the line has a value without a key");
  for (char& c : setting.key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return setting;
}

}  // namespace

Status ProfileReader::read(std::string_view text) {
  if (text.size() > kMaxProfileFileBytes) {
    return std::unexpected(
        Error(Errc::kLimit, fmt::format("the file has more than {} bytes", kMaxProfileFileBytes)).in(*name_));
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Status status;
  while (status && !text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++line_;
    status = read_line(line);
  }
  if (status) status = end_key();
  if (!status) return propagate(status, fmt::format("{}:{}", *name_, line_));
  return {};
}

Status ProfileReader::read_line(std::string_view line) {
  if (const Status checked = check_text(line); !checked) return checked;
  const std::size_t indent = std::min(line.find_first_not_of(kProfileBlank), line.size());
  const std::string_view text = trimmed(line);
  if (text.starts_with('#') || text.starts_with(';')) return {};
  if (!key_.empty() && (text.empty() || indent > key_indent_)) {
    pieces_.push_back({text, line_});
    return {};
  }
  if (text.empty()) return {};
  if (const Status ended = end_key(); !ended) return ended;
  key_indent_ = indent;
  return text.starts_with('[') ? begin_section(text) : begin_key(text);
}

// The sections in which those of this kind are kept; nullptr for what is of no interest. May set the name.
ProfileReader::Sections* ProfileReader::sections_of(SectionHeader& header) {
  if (header.kind == "profile") return header.name.empty() ? nullptr : &prefixed_;
  if (file_ == File::kCredentials) {
    if (!header.kind.empty()) header.name = header.text;
    return &plain_;
  }
  if (header.kind == "services") return &services_;
  return header.kind.empty() && header.name == "default" ? &plain_ : nullptr;
}

Status ProfileReader::begin_section(std::string_view line) {
  auto header = parse_section_header(line);
  if (!header) return propagate(header);
  if (++section_count_ > kMaxProfileSections) {
    return fail(Errc::kLimit, "the file has more than {} sections", kMaxProfileSections);
  }
  in_section_ = true;
  section_ = nullptr;
  Sections* sections = sections_of(*header);
  if (sections == nullptr) return {};
  const auto [place, added] = sections->try_emplace(std::move(header->name));
  section_ = &place->second;
  if (added) section_->file_ = name_;
  if (added) section_->line_ = line_;
  return {};
}

Status ProfileReader::begin_key(std::string_view line) {
  if (!in_section_) return fail(Errc::kInvalid, "the line stands before the first section");
  auto setting = split_setting(line);
  if (!setting) return propagate(setting);
  key_ = std::move(setting->key);
  pieces_.push_back({setting->value, line_});
  return {};
}

Status ProfileReader::end_key() {
  if (key_.empty()) return {};
  while (pieces_.size() > 1 && pieces_.back().text.empty()) pieces_.pop_back();
  Status status;
  if (pieces_.front().text.empty()) {
    status = add_nested();
  } else {
    Secret value = joined_pieces();
    status = add(std::move(key_), value.reveal(), pieces_.front().line);
  }
  key_.clear();
  pieces_.clear();
  return status;
}

Status ProfileReader::add_nested() {
  // An error is in one of these lines, not in the line that ended them.
  const int line = line_;
  for (const Piece& piece : pieces_) {
    if (piece.text.empty()) continue;
    line_ = piece.line;
    const auto setting = split_setting(piece.text);
    if (!setting) return propagate(setting);
    const Status added = add(fmt::format("{}.{}", key_, setting->key), setting->value, piece.line);
    if (!added) return added;
  }
  line_ = line;
  return {};
}

Status ProfileReader::add(std::string key, std::string_view value, int line) {
  if (++key_count_ > kMaxProfileKeys) {
    return fail(Errc::kLimit, "the file has more than {} keys", kMaxProfileKeys);
  }
  if (section_ == nullptr || value.empty()) return {};
  const auto [place, added] = section_->values_.try_emplace(std::move(key));
  if (added) place->second = {Secret(value), name_, line};
  return {};
}

// The lines of a value with line feeds between them. Nothing of it stays behind in freed memory.
Secret ProfileReader::joined_pieces() const {
  if (pieces_.size() == 1) return Secret(pieces_.front().text);
  std::size_t size = pieces_.size();
  for (const Piece& piece : pieces_) size += piece.text.size();
  std::string joined;
  joined.reserve(size);
  for (const Piece& piece : pieces_) {
    if (&piece != pieces_.data()) joined += '\n';
    joined += piece.text;
  }
  return Secret::take(joined);
}

void ProfileReader::merge(ProfileSection& into, ProfileSection& from) {
  into.values_.merge(from.values_);
  if (into.file_ != nullptr) return;
  into.file_ = from.file_;
  into.line_ = from.line_;
}

void ProfileReader::merge(Sections& into, Sections& from) {
  for (auto& [name, section] : from) merge(into[name], section);
}

void ProfileReader::add_to(ProfileFiles& files) {
  // As in the SDKs: whoever writes "[profile default]" into the config file means that one.
  if (file_ == File::kConfig && prefixed_.contains("default")) plain_.clear();
  merge(files.profiles_, plain_);
  merge(files.profiles_, prefixed_);
  merge(files.services_, services_);
}

}  // namespace shed::aws
