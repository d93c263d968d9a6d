// Which names a request to the signing proxy may call it by. A web page can make a name of its own point to
// this machine (DNS rebinding) and read the answer; the browser sends that name as Host.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shed::broker {

// True for, with or without a port:
//   localhost, *.localhost and every IP literal: no page can come from another machine under these
//   what container engines call their host: host.docker.internal, gateway.docker.internal,
//   host.containers.internal, host.lima.internal, host.orb.internal, host.minikube.internal,
//   host.k3d.internal, host.rancher-desktop.internal, docker.for.mac.localhost and the like; .internal is
//   nobody's domain
//   the names in `more`
//   no name at all: every browser sends one, some probes send none
bool is_signing_host(std::string_view host_header, std::span<const std::string> more);

}  // namespace shed::broker
