// The developer's ~/.aws/config and ~/.aws/credentials (clients.md, "The developer's AWS files").
//
//   [profile web]                  config:      "[profile NAME]", "[default]", "[services NAME]", ...
//   role_arn = arn:aws:iam::...    credentials: "[NAME]"
//   services = local
//   s3 =
//     addressing_style = path      an indented line continues the value above it, or nests in an empty one
//
// Where that page is silent, as botocore reads them: what is indented no deeper than the key above it is a
// key itself, a "#" or ";" behind any spaces starts a comment, empty lines do not end a value.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/clock.h"
#include "shed/base/result.h"
#include "shed/base/secret.h"

namespace shed::aws {

// Of one file. Companies generate files with thousands of profiles; nobody writes more.
inline constexpr std::size_t kMaxProfileFileBytes = 1024 * 1024;
inline constexpr std::size_t kMaxProfileSections = 8192;
inline constexpr std::size_t kMaxProfileKeys = 65536;

// Any value may be a secret, so all of them are kept as one.
struct ProfileValue {
  Secret text;
  const std::string* file = nullptr;  // owned by the ProfileFiles
  int line = 0;

  std::string where() const;  // "/home/me/.aws/config:12"
};

// One section: keys lower-cased; a nested key is its parent and it, joined by a dot: "sts.endpoint_url".
// Of a key that stands twice in one file the first counts.
class ProfileSection {
 public:
  // nullptr when absent. An empty value counts as absent, also where another would follow it.
  const ProfileValue* find(std::string_view key) const;
  // That of two keys which stands first; the credentials file stands before the config file.
  const ProfileValue* find_first(std::string_view key, std::string_view other) const;
  // The value, or "".
  std::string_view text(std::string_view key) const;
  std::string where() const;  // of its header, in the credentials file where it stands in both

 private:
  friend class ProfileReader;
  std::map<std::string, ProfileValue, std::less<>> values_;
  const std::string* file_ = nullptr;
  int line_ = 0;
};

class ProfileFiles {
 public:
  // A file that is missing is empty, and so is /dev/null, by which people say that there is none. One
  // that is unreadable, too large, not UTF-8 text or broken (a line that is neither section, key nor
  // comment; a section header without its bracket; a key before the first section) is an error that names
  // file and line: Errc::kInvalid, kLimit, or what reading it gave. No error ever quotes what stands there.
  static Result<ProfileFiles> load(const std::string& config_path, const std::string& credentials_path);
  static Result<ProfileFiles> parse(std::string_view config, std::string config_name,
                                    std::string_view credentials, std::string credentials_name);

  // Both files' values of the profile, those of the credentials file first, key by key. nullptr when
  // neither has it. Which of the two, for messages: ProfileValue::where(). "[profile default]" in the
  // config file puts "[default]" out of force there, as in the SDKs. "[profile x]" is taken in the
  // credentials file, too, for what "[x]" leaves open.
  const ProfileSection* profile(std::string_view name) const;
  const ProfileSection* services(std::string_view name) const;  // [services NAME] of the config file
  std::vector<std::string> profile_names() const;               // for "did you mean"

 private:
  friend class ProfileReader;
  std::map<std::string, ProfileSection, std::less<>> profiles_;
  std::map<std::string, ProfileSection, std::less<>> services_;
  std::vector<std::unique_ptr<std::string>> file_names_;
};

// The hint that tools leave beside session credentials: `aws_session_expiration` or
// `x_security_token_expires`, whichever stands first. RFC 3339, also with a space for the T, an offset
// without its colon, or in quotes. Nothing when absent or unreadable; the other hint is not asked then.
std::optional<WallTime> session_expiry(const ProfileSection& profile);
std::optional<WallTime> parse_session_expiry(std::string_view text);

// For the audit record: "expires:HH:MM" (UTC) or "expires:none". The guest gets format_rfc3339().
std::string expiry_detail(std::optional<WallTime> expiration);

}  // namespace shed::aws
