// The owner's own credentials: what the profile says, however many steps that takes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/aws/profile_files.h"
#include "shed/aws/program.h"
#include "shed/aws/sts_client.h"

namespace shed::aws {

using Variables = std::function<std::string(const char* name)>;  // empty when unset

// Where a profile's own session credentials come from, and how STS is reached with it.
struct Source {
  Credentials credentials;
  StsTarget sts;
};

class SourceResolver {
 public:
  virtual ~SourceResolver() = default;

  // Reads the files anew each time. An empty `profile` means the SDKs' own order: AWS_ACCESS_KEY_ID of
  // the environment, then AWS_PROFILE, then "default".
  //
  // A profile's kinds, first that fits (as the SDKs): role_arn with source_profile or credential_source
  // (Environment; the two instance sources are asked from the aws command), static keys with or without
  // a session token, credential_process, and for sso_*, login_session and web_identity_token_file
  // `aws configure export-credentials --profile P --format process`. A chain has at most 8 steps; a loop,
  // a missing profile, keys of which only one half is there, session credentials that have expired by
  // their own hint and mfa_serial (nobody can be asked) are Failures of kind kSource that name file and
  // line.
  virtual async::Task<Outcome<Source>> resolve(std::string profile) = 0;
};

std::unique_ptr<SourceResolver> make_source_resolver(async::Loop& loop, StsClient& sts,
                                                     CredentialProgram& program, Variables variables);

// Reads what of the environment and the profile says how to reach STS: region (profile's `region`,
// AWS_REGION, AWS_DEFAULT_REGION), overrides in the order AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the
// profile's services section, its endpoint_url (AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true ignores all),
// AWS_CA_BUNDLE, then ca_bundle, and the proxy. `profile` may be nullptr.
Result<StsTarget> sts_target(const ProfileFiles& files, const ProfileSection* profile,
                             const Variables& variables);

}  // namespace shed::aws
