#include "static_credentials.h"

#include <string>
#include <utility>

#include "check_credentials.h"
#include "failures.h"

namespace shed::aws {
namespace {

constexpr std::string_view kKeyId = "aws_access_key_id";
constexpr std::string_view kSecretKey = "aws_secret_access_key";

Secret take_variable(const Variables& variables, const char* name) {
  std::string text = variables(name);
  return Secret::take(text);
}

// The token of these very keys. One in the other file is a leftover of other keys: taken for theirs, it
// would make long-lived keys look like session credentials, which may leave this machine.
Secret token_beside(const ProfileSection& profile, const ProfileValue& secret) {
  for (const char* name : {"aws_session_token", "aws_security_token"}) {
    const ProfileValue* token = profile.find(name);
    if (token != nullptr && token->file == secret.file) return token->text.clone();
  }
  return {};
}

Outcome<Credentials> checked(Credentials credentials, const std::string& where, WallTime now) {
  if (const Status usable = check_credentials(credentials); !usable) {
    return source_failure(fmt::format("{}: {}", where, usable.error().text()));
  }
  if (expired(credentials, now)) {
    return source_expired(
        fmt::format("{}: its session credentials expired at {}; refresh them ('aws sso login', "
                    "or whatever wrote them)",
                    where, format_rfc3339(*credentials.expiration)));
  }
  return credentials;
}

}  // namespace

bool has_static_keys(const ProfileSection& profile) {
  return profile.find(kKeyId) != nullptr || profile.find(kSecretKey) != nullptr;
}

Outcome<Credentials> static_credentials(const ProfileSection& profile, std::string_view name, WallTime now) {
  const ProfileValue* id = profile.find(kKeyId);
  const ProfileValue* secret = profile.find(kSecretKey);
  if (id == nullptr || secret == nullptr) {
    const ProfileValue* half = id != nullptr ? id : secret;
    return source_failure(fmt::format("profile {} ({}): it has {} without {}", name, half->where(),
                                      id != nullptr ? kKeyId : kSecretKey,
                                      id != nullptr ? kSecretKey : kKeyId));
  }
  if (id->file != secret->file) {
    return source_failure(fmt::format("profile {}: {} stands in {}, {} in {}: they are not of one key", name,
                                      kKeyId, id->where(), kSecretKey, secret->where()));
  }
  Credentials credentials;
  credentials.access_key_id = id->text.reveal();
  credentials.secret_access_key = secret->text.clone();
  credentials.session_token = token_beside(profile, *secret);
  credentials.account_id = profile.text("aws_account_id");
  if (credentials.temporary()) credentials.expiration = session_expiry(profile);
  return checked(std::move(credentials), fmt::format("profile {} ({})", name, id->where()), now);
}

Outcome<std::optional<Credentials>> environment_credentials(const Variables& variables, WallTime now) {
  Credentials credentials;
  credentials.access_key_id = variables("AWS_ACCESS_KEY_ID");
  credentials.secret_access_key = take_variable(variables, "AWS_SECRET_ACCESS_KEY");
  if (credentials.access_key_id.empty() && credentials.secret_access_key.empty()) return std::nullopt;
  credentials.session_token = take_variable(variables, "AWS_SESSION_TOKEN");
  if (!credentials.temporary()) {
    credentials.session_token = take_variable(variables, "AWS_SECURITY_TOKEN");
  }
  credentials.account_id = variables("AWS_ACCOUNT_ID");
  if (credentials.temporary()) {
    credentials.expiration = parse_session_expiry(variables("AWS_CREDENTIAL_EXPIRATION"));
  }
  auto result =
      checked(std::move(credentials), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment", now);
  if (!result) return std::unexpected(std::move(result.error()));
  return std::move(*result);
}

}  // namespace shed::aws
