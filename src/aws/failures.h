// The failures of this room that come from our side, in one wording.
#pragma once

#include <string>
#include <utility>

#include "shed/aws/failure.h"

namespace shed::aws {

// What a guest may know of a profile that does not work: that it does not.
inline constexpr const char* kSourceMessage = "the host's own AWS credentials cannot be used";
inline constexpr const char* kConfigurationMessage =
    "the host's AWS configuration for this shed is not valid";
inline constexpr const char* kSourceExpiredMessage = "the host's own AWS credentials have expired";

inline std::unexpected<Failure> source_failure(std::string detail) {
  return std::unexpected(Failure{Failure::Kind::kSource, "SourceProfile", kSourceMessage, std::move(detail)});
}
inline std::unexpected<Failure> source_expired(std::string detail) {
  return std::unexpected(
      Failure{Failure::Kind::kSource, "SourceExpired", kSourceExpiredMessage, std::move(detail)});
}

}  // namespace shed::aws
