#include "applet.h"

namespace shed::applets {

std::span<const Applet> all_applets() {
  static const Applet kTable[] = {
      kUp,  kHost,   kGuest,   kSshAgent, kAwsCredentials, kAwsCredentialProcess, kDockerCredential,
      kBus, kStatus, kApprove, kAudit,    kSigningProxy,   kSigningShim,          kInstall};
  return kTable;
}

}  // namespace shed::applets
