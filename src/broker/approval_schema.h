// `<section>.approval`, in today's form and in the older one.
#pragma once

#include "broker/config_reader.h"
#include "shed/broker/policy.h"

namespace shed::broker {

// host_config.h says how the older form is read.
Approval read_approval(ConfigReader& reader, const Setting& setting, Namespace ns);

}  // namespace shed::broker
