// Lines of an AWS file into sections. Knows nothing of profiles but which headers name one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shed/aws/profile_files.h"

namespace shed::aws {

// What may stand around keys, values and names.
inline constexpr std::string_view kProfileBlank = " \t";
std::string_view trimmed(std::string_view text);

// "[profile web]" is {"profile", "web"}, "[default]" {"", "default"}. Quotes (either kind) hold a name
// together; what does not have this form is a name as it stands, as in the credentials file "[my keys]".
struct SectionHeader {
  std::string kind;
  std::string name;
  std::string text;  // all that stands between the brackets
};
// `line` starts with the bracket. Errc::kInvalid when it has no end, no name, or something behind it that
// is no comment.
Result<SectionHeader> parse_section_header(std::string_view line);

// Reads one file. The sections of a kind are kept by their names; whatever stands in others must be well
// formed, but is dropped.
class ProfileReader {
 public:
  enum class File { kConfig, kCredentials };
  using Sections = std::map<std::string, ProfileSection, std::less<>>;

  // `name` must outlive what is read.
  ProfileReader(File file, const std::string* name) : file_(file), name_(name) {}
  Status read(std::string_view text);

  // Adds what was read to `files`: first come, first served, so the credentials file first.
  void add_to(ProfileFiles& files);

 private:
  // A part of a value: what stands behind the sign, then each line that continues it.
  struct Piece {
    std::string_view text;
    int line;
  };

  Status read_line(std::string_view line);
  Status begin_section(std::string_view line);
  Status begin_key(std::string_view line);
  Status end_key();
  Status add_nested();
  Status add(std::string key, std::string_view value, int line);
  Secret joined_pieces() const;
  Sections* sections_of(SectionHeader& header);
  static void merge(ProfileSection& into, ProfileSection& from);
  static void merge(Sections& into, Sections& from);

  File file_;
  const std::string* name_;
  Sections plain_;     // [x]
  Sections prefixed_;  // [profile x]
  Sections services_;  // [services x]

  int line_ = 0;
  bool in_section_ = false;            // false above the first header
  ProfileSection* section_ = nullptr;  // nullptr in a section of no interest
  std::string key_;                    // empty: there is nothing to continue
  std::size_t key_indent_ = 0;
  std::vector<Piece> pieces_;
  std::size_t section_count_ = 0;
  std::size_t key_count_ = 0;
};

}  // namespace shed::aws
