// `bus --host`: the host's half of the bus, apart from the guests.
#pragma once

#include "applet.h"

namespace shed::applets {

// With what stands on the command line beside --host. Returns the exit status.
int run_host_bus(Arguments arguments);

}  // namespace shed::applets
