// Keys as they stand in a profile or in the environment.
#pragma once

#include <optional>
#include <string_view>

#include "shed/aws/credentials.h"
#include "shed/aws/failure.h"
#include "shed/aws/profile_files.h"
#include "shed/aws/source.h"

namespace shed::aws {

bool has_static_keys(const ProfileSection& profile);

// `name` is the profile's. Half a key, what no key can be, and what has expired are failures.
Outcome<Credentials> static_credentials(const ProfileSection& profile, std::string_view name, WallTime now);

// Nothing when neither half of a key is set.
Outcome<std::optional<Credentials>> environment_credentials(const Variables& variables, WallTime now);

}  // namespace shed::aws
