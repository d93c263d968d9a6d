// The two sides of `sts:AssumeRole` (AWS STS API Reference, version 2011-06-15).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shed/aws/credentials.h"
#include "shed/base/clock.h"
#include "shed/base/result.h"

namespace shed::aws {

inline constexpr Millis kShortestSession = std::chrono::minutes(15);
inline constexpr Millis kLongestSession = std::chrono::hours(12);
// STS's limit for a role assumed with session credentials (role chaining).
inline constexpr Millis kLongestChainedSession = std::chrono::hours(1);

inline constexpr std::size_t kMaxStsAnswer = 256 * 1024;

struct AssumeRoleRequest {
  std::string role_arn;      // arn:...:role/..., 20 to 2,048 characters
  std::string session_name;  // 2 to 64 of [\w+=,.@-]
  Millis duration = std::chrono::hours(1);
  std::string external_id;                                // 2 to 1224 of [\w+=,.@:/-]
  std::string source_identity;                            // 2 to 64 of [\w+=,.@-]
  std::string policy;                                     // a session policy, JSON, at most 2,048 characters
  std::vector<std::string> policy_arns;                   // at most 10
  std::vector<std::pair<std::string, std::string>> tags;  // at most 50; key 128, value 256 characters
};

// The form-encoded body. Errc::kInvalid, kLimit when a field breaks its rule (named); a duration
// outside its bounds is an error, too: clamp first.
Result<std::string> encode_assume_role(const AssumeRoleRequest& request);

// Errc::kProtocol when it is no AssumeRoleResponse with all of the credentials' fields, each of them once
// (XML is read with a depth bound, no DOCTYPE, no entities but XML's own, at most kMaxStsAnswer bytes).
// Without an AssumedRoleUser the account is unknown. No error quotes the text.
Result<Credentials> parse_assume_role_answer(std::string_view xml);

struct StsError {
  std::string code;        // "AccessDenied"; at most 128 characters
  std::string message;     // at most 1,024 characters
  std::string request_id;  // at most 128 characters
};
// Control characters are made spaces. A message that repeats the signed request (SignatureDoesNotMatch)
// ends before it: the request has the session token in it.
// Nothing when it is no ErrorResponse with a code.
std::optional<StsError> parse_sts_error(std::string_view xml);

// What `session_name` looks like: shed-<shed>-<unix time>, or shed-<server>-<shed>-<unix time>. What
// STS does not take becomes '-'. Cut to 64 characters: from the names, never from the time; of two names,
// from the longer one first.
std::string session_name(std::string_view server, std::string_view shed, WallTime now);

// What STS says as an error text may show it to a guest: the role's own ARN stays, every other ARN ("User:
// arn:aws:iam::123456789012:user/me is not authorized …"), account number and key id becomes "[hidden]".
std::string without_account_details(std::string_view message, std::string_view role_arn);

}  // namespace shed::aws
