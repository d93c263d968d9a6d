// AWS Signature Version 4 (AWS General Reference, "Signature Version 4 signing process") for a POST
// without a query, which is all that STS needs.
#pragma once

#include <string>
#include <string_view>

#include "shed/aws/credentials.h"
#include "shed/base/clock.h"

namespace shed::aws {

struct SigningScope {
  std::string_view region;   // "us-east-1"
  std::string_view service;  // "sts"
  WallTime time;
};

struct SignedRequest {
  std::string_view method = "POST";
  std::string_view host;        // exactly as it is sent in Host
  std::string_view path = "/";  // as it is sent, without a query; signed in its normal form
  std::string_view content_type;
  std::string_view body;
};

// The header lines to send, each ended by CR LF: x-amz-date, x-amz-security-token where there is one,
// authorization. Signed: content-type, host, x-amz-date, x-amz-security-token. They hold a token and a
// signature: to be wiped after use.
// Empty when something would break out of its line (a control character, a space or what is not ASCII in
// the credentials, the host or the scope) or one half of the key is missing: nothing is sent then.
Secret signature_headers(const SignedRequest& request, const SigningScope& scope,
                         const Credentials& credentials);

}  // namespace shed::aws
