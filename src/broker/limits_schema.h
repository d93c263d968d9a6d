// The section `limits` of extensions.yaml.
#pragma once

#include "broker/config_reader.h"
#include "shed/broker/limits.h"

namespace shed::broker {

// `off`, or a map of `ssh`, `aws` and `docker`, each `off` or a map of `burst` and `per_minute`. What is not
// written keeps its default.
Limits read_limits(ConfigReader& reader, const Setting& setting);

}  // namespace shed::broker
