#include "shed/aws/sts_endpoint.h"

#include <algorithm>

namespace shed::aws {
namespace {

constexpr std::string_view kGlobalHost = "sts.amazonaws.com";
constexpr std::string_view kGlobalRegion = "us-east-1";
// Of a label in a host name.
constexpr std::size_t kMaxRegion = 63;

struct Partition {
  std::string_view prefix;  // of its regions
  std::string_view domain;
};
// Those whose domain is another than that of all the rest.
constexpr Partition kPartitions[] = {
    {"cn-", "amazonaws.com.cn"},   {"eusc-", "amazonaws.eu"},      {"us-iso-", "c2s.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov"}, {"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"},
};

std::string_view domain_of(std::string_view region) {
  const auto place = std::ranges::find_if(
      kPartitions, [region](const Partition& partition) { return region.starts_with(partition.prefix); });
  return place == std::end(kPartitions) ? "amazonaws.com" : place->domain;
}

Status check_region(std::string_view region) {
  const bool characters = std::ranges::all_of(
      region, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  // A host name's label neither starts nor ends with a dash.
  if (!characters || region.size() > kMaxRegion || region.starts_with('-') || region.ends_with('-')) {
    return fail(Errc::kInvalid, "the region is not of the form us-east-1");
  }
  return {};
}

Result<net::Url> parse_override(std::string_view text) {
  const bool is_http = text.starts_with("http://") || text.starts_with("https://");
  auto url = net::parse_url(text);
  if (!is_http || !url || url->path.find('?') != std::string::npos) {
    return fail(Errc::kInvalid, "the endpoint is not a URL of the form https://HOST[:PORT][/PATH]");
  }
  return url;
}

}  // namespace

Result<StsEndpoint> sts_endpoint(std::string_view region, std::string_view endpoint_override) {
  if (const Status checked = check_region(region); !checked) return propagate(checked);
  const bool global = region.empty() || region == "aws-global";
  const std::string signing_region(global ? kGlobalRegion : region);
  const std::string standard = global ? fmt::format("https://{}", kGlobalHost)
                                      : fmt::format("https://sts.{}.{}", region, domain_of(region));
  auto url = endpoint_override.empty() ? net::parse_url(standard) : parse_override(endpoint_override);
  if (!url) return propagate(url);
  return StsEndpoint{std::move(*url), signing_region};
}

}  // namespace shed::aws
