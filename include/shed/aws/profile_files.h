// The developer's ~/.aws/config and ~/.aws/credentials (clients.md, "The developer's AWS files").
//
//   [profile web]                  config:      "[profile NAME]", "[default]", "[services NAME]", ...
//   role_arn = arn:aws:iam::...    credentials: "[NAME]"
//   services = local
//     nested = value               an indented line continues the value above it, or nests in it
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

inline constexpr std::size_t kMaxProfileFileBytes = 1024 * 1024;

// Any value may be a secret, so all of them are kept as one.
struct ProfileValue {
  Secret text;
  const std::string* file = nullptr;  // owned by the ProfileFiles
  int line = 0;

  std::string where() const;  // "/home/me/.aws/config:12"
};

// One section: keys lower-cased; a nested key is "services.sts.endpoint_url"-like: its parents and it,
// joined by a dot. Of a key that stands twice in one file the first counts.
class ProfileSection {
 public:
  // nullptr when absent. An empty value counts as absent.
  const ProfileValue* find(std::string_view key) const;
  // The value, or "".
  std::string_view text(std::string_view key) const;
  std::string where() const;  // of its header

 private:
  friend class ProfileReader;
  std::map<std::string, ProfileValue, std::less<>> values_;
  const std::string* file_ = nullptr;
  int line_ = 0;
};

class ProfileFiles {
 public:
  // A file that is missing is empty; one that is unreadable, too large, not text or broken (a line
  // that is neither section, key nor comment; a section header without its bracket) is an error that
  // names file and line. No error ever quotes a value.
  static Result<ProfileFiles> load(const std::string& config_path, const std::string& credentials_path);
  static Result<ProfileFiles> parse(std::string_view config, std::string config_name,
                                    std::string_view credentials, std::string credentials_name);

  // Both files' values of the profile, those of the credentials file first, key by key. nullptr when
  // neither has it. Which of the two, for messages: ProfileValue::where().
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
// without its colon, or in quotes. Nothing when absent or unreadable.
std::optional<WallTime> session_expiry(const ProfileSection& profile);
std::optional<WallTime> parse_session_expiry(std::string_view text);

// "YYYY-MM-DDTHH:MM:SSZ", as it goes to the guest, and for the audit record "expires:HH:MM" (UTC) or
// "expires:none".
std::string expiry_detail(std::optional<WallTime> expiration);

}  // namespace shed::aws
