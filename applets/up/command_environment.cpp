#include "command_environment.h"

#include <algorithm>

#include "shed/aws/profile_files.h"
#include "shed/base/file.h"

namespace shed::applets {
namespace {

// What an SDK takes before it asks a container endpoint, or beside it, in the order of botocore and the
// others: keys, profiles, web identity, the older address of the same kind, the token's other place.
constexpr std::string_view kOutranking[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_FILE",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "BOTO_CONFIG",
};

std::string or_else(std::string text, std::string_view otherwise) {
  return text.empty() ? std::string(otherwise) : text;
}

}  // namespace

std::vector<std::string> CommandEnvironment::apply(const char* const* environment) const {
  std::vector<std::string> result;
  std::vector<std::string_view> there;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (changes_.contains(name)) continue;
    there.push_back(name);
    result.emplace_back(entry);
  }
  for (const auto& [name, value] : changes_) {
    if (value) result.push_back(name + '=' + *value);
  }
  for (const auto& [name, value] : defaults_) {
    if (std::ranges::find(there, name) == there.end()) result.push_back(name + '=' + value);
  }
  return result;
}

void lead_to_endpoint(CommandEnvironment& environment, const AwsForCommand& aws) {
  for (const std::string_view name : kOutranking) environment.remove(name);
  environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.url);
  // In the environment and not in a file: some SDKs know only this one.
  environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", aws.token);
  environment.set("AWS_CONFIG_FILE", aws.empty_file);
  environment.set("AWS_SHARED_CREDENTIALS_FILE", aws.empty_file);
  if (aws.region.empty()) return;
  environment.set_default("AWS_REGION", aws.region);
  environment.set_default("AWS_DEFAULT_REGION", aws.region);
}

Result<std::string> profile_region(const broker::HostConfig& config) {
  const auto files = aws::ProfileFiles::load(
      expand_home(or_else(environment("AWS_CONFIG_FILE"), "~/.aws/config")),
      expand_home(or_else(environment("AWS_SHARED_CREDENTIALS_FILE"), "~/.aws/credentials")));
  if (!files) return propagate(files);
  const std::string name = config.aws.source_profile_written
                               ? config.aws.source_profile
                               : or_else(environment("AWS_PROFILE"), config.aws.source_profile);
  const aws::ProfileSection* profile = files->profile(name);
  return profile == nullptr ? std::string() : std::string(profile->text("region"));
}

}  // namespace shed::applets
