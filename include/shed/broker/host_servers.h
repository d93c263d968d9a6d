// The servers whose guests a host agent serves: where they are, and how they are known.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shed/broker/host_config.h"
#include "shed/net/address.h"
#include "shed/net/tls.h"

namespace shed::broker {

struct HostServer {
  std::string name;  // for the audit log and the status; empty where there is one only
  net::Url url;
  std::string token;
  std::shared_ptr<net::TlsContext> tls = nullptr;  // for https: with the pin, else the system's roots
};

// The servers that a configuration names: `server`, or with `discovery` those of the shed command that
// it selects, as they are now (one that cannot be used is left out with a warning).
Result<std::vector<HostServer>> servers_of(const HostConfig& config);

}  // namespace shed::broker
