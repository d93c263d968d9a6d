// The section `aws` of extensions.yaml.
#pragma once

#include "broker/config_reader.h"
#include "shed/broker/host_config.h"

namespace shed::broker {

void read_aws(ConfigReader& reader, const Setting& aws, AwsConfig& config);

}  // namespace shed::broker
