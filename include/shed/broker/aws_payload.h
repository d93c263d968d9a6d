// The payloads of the namespace aws-credentials (protocol.md section 5), in both directions, and the two
// documents that AWS clients read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shed/aws/credentials.h"
#include "shed/base/buffer.h"
#include "shed/base/json.h"
#include "shed/base/result.h"

namespace shed::broker {

inline constexpr std::string_view kAwsNamespace = "aws-credentials";

// Requests, as the guest writes them.
inline constexpr std::string_view kGetCredentialsRequest = R"({"operation":"get_credentials"})";
inline constexpr std::string_view kAwsStatusRequest = R"({"operation":"status"})";

// Answers, as the host writes them. The first one holds secrets: to be wiped.
std::string encode_credentials(const aws::Credentials& credentials);
// `role`: an ARN, "passthrough:<profile>", or nothing where the guest gets nothing.
std::string encode_aws_status(std::string_view role, std::optional<WallTime> cached_until);

// The answer, as the guest reads it. Views into the payload and its document.
struct CredentialsView {
  std::string_view access_key_id;
  std::string_view secret_access_key;
  std::string_view session_token;
  std::optional<WallTime> expiration;
  std::string_view account_id;  // empty: unknown
};
// Errc::kProtocol for what is none: a field that is missing, empty, too long (256 bytes for the keys, 16
// KiB for the token) or not printable ASCII, and an expiration that is no time. Keys without a session
// token are long-lived ones, and refused too. No error quotes a value.
Result<CredentialsView> decode_credentials(const JsonValue& payload);

struct AwsStatus {
  std::string role;
  std::string cached_until;  // RFC 3339; empty: nothing is cached
};
Result<AwsStatus> decode_aws_status(const JsonValue& payload);

// {"AccessKeyId","SecretAccessKey","Token","Expiration","AccountId"} for the container endpoint, and for
// credential_process {"Version":1,…,"SessionToken",…}. Without the account where it is unknown, and
// without an expiration where there is none. To be wiped.
void append_container_document(Buffer& out, const CredentialsView& credentials);
void append_process_document(Buffer& out, const CredentialsView& credentials);

}  // namespace shed::broker
