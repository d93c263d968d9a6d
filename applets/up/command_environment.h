// The environment of the command that `up` runs: ours, with the brokered endpoints instead of the real ones.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"
#include "shed/base/secret.h"
#include "shed/broker/host_config.h"

namespace shed::applets {

class CommandEnvironment {
 public:
  void set(std::string_view name, std::string_view value) {
    changes_.insert_or_assign(std::string(name), value);
  }
  void remove(std::string_view name) { changes_.insert_or_assign(std::string(name), std::nullopt); }
  // Only where `environment` has none.
  void set_default(std::string_view name, std::string_view value) {
    defaults_.insert_or_assign(std::string(name), value);
  }
  // "NAME=value" lines, as execve() wants them. `environment` ends with a nullptr.
  std::vector<std::string> apply(const char* const* environment) const;

 private:
  std::map<std::string, std::optional<std::string>, std::less<>> changes_;
  std::map<std::string, std::string, std::less<>> defaults_;
};

// What an AWS SDK is to find instead of the person's own configuration.
struct AwsForCommand {
  std::string url;         // of the endpoint
  std::string token;       // that it demands
  std::string empty_file;  // stands in for ~/.aws/config and ~/.aws/credentials
  std::string region;      // of the person's profile; empty: it names none
};
// Leads every SDK to the endpoint: removes or replaces all that outranks it. A region that is set stays.
void lead_to_endpoint(CommandEnvironment& environment, const AwsForCommand& aws);

// The region of the profile that the host agent uses. Errors are those of the files.
Result<std::string> profile_region(const broker::HostConfig& config);

}  // namespace shed::applets
