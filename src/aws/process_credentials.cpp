#include <algorithm>
#include <string>

#include "check_credentials.h"
#include "shed/aws/profile_files.h"
#include "shed/aws/program.h"
#include "shed/base/json.h"

namespace shed::aws {
namespace {

bool is_account_id(std::string_view text) {
  return text.size() <= 12 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

Result<Credentials> read_document(const JsonValue& document) {
  if (!document.is_object()) return fail(Errc::kInvalid, "it is no JSON object");
  const auto version = document["Version"].integer();
  if (!version) return fail(Errc::kInvalid, "it has no Version");
  if (*version != 1) return fail(Errc::kUnsupported, "its Version is not 1");

  Credentials credentials;
  credentials.access_key_id = document["AccessKeyId"].string_or("");
  credentials.secret_access_key = Secret(document["SecretAccessKey"].string_or(""));
  credentials.session_token = Secret(document["SessionToken"].string_or(""));
  const std::string_view account = document["AccountId"].string_or("");
  if (is_account_id(account)) credentials.account_id = account;
  if (const std::string_view expiration = document["Expiration"].string_or(""); !expiration.empty()) {
    credentials.expiration = parse_session_expiry(expiration);
    // Taken for "never", it would be kept for ever.
    if (!credentials.expiration) return fail(Errc::kInvalid, "its Expiration is no time");
  }
  if (const Status checked = check_credentials(credentials); !checked) return propagate(checked);
  return credentials;
}

}  // namespace

Result<Credentials> parse_process_credentials(std::string_view json) {
  JsonDocument document;
  const auto root = document.parse(json);
  // The parser's own texts may quote what it read.
  auto credentials =
      root ? read_document(*root) : Result<Credentials>(fail(Errc::kInvalid, "it is no JSON document"));
  document.wipe();
  return credentials;
}

}  // namespace shed::aws
