// NO_PROXY: which hosts are reached directly.
#pragma once

#include <string_view>

#include "shed/net/address.h"

namespace shed::net {

// See proxy_for().
bool goes_directly(const Address& address, std::string_view no_proxy);

}  // namespace shed::net
