#include <string>

#include "shed/aws/source.h"
#include "shed/base/file.h"

namespace shed::aws {
namespace {

std::string region_of(const ProfileSection* profile, const Variables& variables) {
  if (profile != nullptr && profile->find("region") != nullptr) return std::string(profile->text("region"));
  std::string region = variables("AWS_REGION");
  return region.empty() ? variables("AWS_DEFAULT_REGION") : region;
}

struct Override {
  std::string url;
  std::string name;  // of where it was found
};

// The service's own before the general one, the environment before the files (AWS SDKs and Tools Reference
// Guide, "Service-specific endpoints").
Override endpoint_override(const ProfileFiles& files, const ProfileSection* profile,
                           const Variables& variables) {
  const auto ignored = [](std::string_view text) {
    return text == "true" || text == "True" || text == "TRUE";
  };
  if (ignored(variables("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))) return {};
  for (const char* name : {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}) {
    if (std::string url = variables(name); !url.empty()) return {std::move(url), name};
  }
  if (profile == nullptr || ignored(profile->text("ignore_configured_endpoint_urls"))) return {};
  if (const ProfileSection* services = files.services(profile->text("services"))) {
    if (const ProfileValue* url = services->find("sts.endpoint_url")) {
      return {std::string(url->text.reveal()), fmt::format("endpoint_url ({})", url->where())};
    }
  }
  if (const ProfileValue* url = profile->find("endpoint_url")) {
    return {std::string(url->text.reveal()), fmt::format("endpoint_url ({})", url->where())};
  }
  return {};
}

std::string ca_file(const ProfileSection* profile, const Variables& variables) {
  std::string file = variables("AWS_CA_BUNDLE");
  if (file.empty() && profile != nullptr) file = profile->text("ca_bundle");
  return expand_home(file);
}

}  // namespace

Result<StsTarget> sts_target(const ProfileFiles& files, const ProfileSection* profile,
                             const Variables& variables) {
  const Override replaced = endpoint_override(files, profile, variables);
  auto endpoint = sts_endpoint(region_of(profile, variables), replaced.url);
  if (!endpoint) return propagate(endpoint, replaced.url.empty() ? "region" : replaced.name);
  return StsTarget{std::move(*endpoint), ca_file(profile, variables), net::proxy_environment(variables)};
}

}  // namespace shed::aws
