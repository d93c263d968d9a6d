// Paths and texts of the signing proxy, as the existing program has them.
#pragma once

#include <string_view>

namespace shed::broker {

inline constexpr std::string_view kSignPath = "/sign";
inline constexpr std::string_view kKeyPath = "/publickey";
inline constexpr std::string_view kHealthPath = "/healthz";
inline constexpr std::string_view kUnavailable = "signer unavailable";
inline constexpr std::string_view kFailed = "sign failed";

}  // namespace shed::broker
