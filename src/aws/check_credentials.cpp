#include "check_credentials.h"

#include <algorithm>
#include <string_view>

namespace shed::aws {
namespace {

// IAM allows key ids of 128 characters. Secrets and tokens have no documented length: this leaves room.
constexpr std::size_t kMaxKeyId = 128;
constexpr std::size_t kMaxSecret = 1024;
constexpr std::size_t kMaxToken = 16 * 1024;

Status check_text(std::string_view name, std::string_view text, std::size_t limit) {
  if (text.size() > limit) return fail(Errc::kLimit, "{} has more than {} characters", name, limit);
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable) return fail(Errc::kInvalid, "{} holds characters that no key has", name);
  return {};
}

}  // namespace

Status check_credentials(const Credentials& credentials) {
  if (credentials.access_key_id.empty()) return fail(Errc::kInvalid, "the access key id is missing");
  if (credentials.secret_access_key.empty()) return fail(Errc::kInvalid, "the secret access key is missing");
  Status status = check_text("the access key id", credentials.access_key_id, kMaxKeyId);
  if (status) {
    status = check_text("the secret access key", credentials.secret_access_key.reveal(), kMaxSecret);
  }
  if (status) status = check_text("the session token", credentials.session_token.reveal(), kMaxToken);
  return status;
}

bool expired(const Credentials& credentials, WallTime now) {
  return credentials.expiration && *credentials.expiration <= now;
}

}  // namespace shed::aws
