// The real ssh-keygen, for all that is not signed through a proxy.
#pragma once

#include <string>

#include "applet.h"
#include "shed/base/result.h"
#include "shed/broker/signing_command.h"

namespace shed::applets {

// The first in PATH that is another program than this one. Empty: none.
std::string find_ssh_keygen();
// Becomes it: with these arguments, this environment and these descriptors. Returns only when it cannot be
// started.
Error run_ssh_keygen(const std::string& program, const Arguments& arguments);
// What is said where there is none.
Error needs_ssh_keygen(const broker::SigningCommand& command, const Arguments& arguments);

}  // namespace shed::applets
