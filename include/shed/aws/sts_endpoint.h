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

// `endpoint_override` wins where it is not empty (an http or https URL; a query has no place in it).
// Regions: "" and "aws-global" are the global endpoint sts.amazonaws.com; "cn-*" is in amazonaws.com.cn;
// the European sovereign cloud (eusc-*) and the isolated partitions (us-iso-*, us-isob-*, eu-isoe-*,
// us-isof-*) in their own domains; all others, GovCloud too, in amazonaws.com.
// Errc::kInvalid for what is no region ([a-z0-9-], 63 at most: it becomes a host name) or no URL. The URL
// is not quoted: people write passwords into them.
Result<StsEndpoint> sts_endpoint(std::string_view region, std::string_view endpoint_override);

}  // namespace shed::aws
