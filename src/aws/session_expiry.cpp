#include "shed/aws/profile_files.h"

namespace shed::aws {

std::optional<WallTime> session_expiry(const ProfileSection& profile) {
  const ProfileValue* hint = profile.find_first("aws_session_expiration", "x_security_token_expires");
  if (hint == nullptr) return std::nullopt;
  return parse_session_expiry(hint->text.reveal());
}

std::optional<WallTime> parse_session_expiry(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'');
  if (quoted && text.front() == text.back()) text = text.substr(1, text.size() - 2);
  const auto time = parse_rfc3339(text);
  if (!time) return std::nullopt;
  return *time;
}

std::string expiry_detail(std::optional<WallTime> expiration) {
  if (!expiration) return "expires:none";
  // The hour and the minute of "2026-03-31T15:04:05Z".
  return "expires:" + format_rfc3339(*expiration).substr(11, 5);
}

}  // namespace shed::aws
