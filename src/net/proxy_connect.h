// CONNECT (RFC 9110, section 9.3.6): how a proxy is asked for a tunnel.
#pragma once

#include "shed/net/channel.h"
#include "shed/net/proxy.h"

namespace shed::net {

// Asks for a tunnel to `target` and reads the answer, not a byte beyond. Errc::kUnavailable: the proxy
// said no, or hung up; kProtocol: what came is no HTTP, or goes on behind the header (the first to speak
// in the tunnel are we: it could only be forged); kLimit: a header over 16 KiB.
async::Task<Status> ask_proxy(Channel& channel, const Proxy& proxy, const Address& target);

}  // namespace shed::net
