// Where STS is: regional endpoints, partitions and overrides.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"
#include "shed/net/address.h"

namespace shed::aws {

struct StsEndpoint {
  net::Url url;                // https, unless an override says otherwise
  std::string signing_region;  // us-east-1 for the global endpoint
};

// `endpoint_override` wins where it is not empty (an http or https URL). Regions: "" is the global
// endpoint sts.amazonaws.com; "cn-*" is in amazonaws.com.cn; the isolated partitions (us-iso-*,
// us-isob-*, eu-isoe-*, us-isof-*) in their own domains; all others, GovCloud too, in amazonaws.com.
// Errc::kInvalid for what is no region ([a-z0-9-], 63 at most) or no URL: it becomes a host name.
Result<StsEndpoint> sts_endpoint(std::string_view region, std::string_view endpoint_override);

}  // namespace shed::aws
