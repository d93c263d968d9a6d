// One applet: what the multi-call binary can be. The table (table.cpp) is all there is to register.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shed::applets {

// What stands behind the applet's name on the command line.
using Arguments = std::vector<std::string>;

struct Applet {
  std::string_view name;
  std::string_view link;  // the name it also goes by as a link to the binary; empty: none
  std::string_view summary;
  int (*run)(Arguments arguments);  // the exit status
};

std::span<const Applet> all_applets();

extern const Applet kUp, kHost, kGuest, kSshAgent, kAwsCredentials, kAwsCredentialProcess, kDockerCredential,
    kBus, kStatus, kApprove, kAudit, kSigningProxy, kSigningShim, kInstall;

}  // namespace shed::applets
