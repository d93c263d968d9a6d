// Links to the running binary.
#pragma once

#include <string>
#include <string_view>

#include "shed/base/result.h"

namespace shed::applets {

// The path of the executable that runs now.
Result<std::string> running_binary();

// Makes directory/name a symbolic link to `binary`: relative when both are in one directory, so that
// the directory can be moved or copied into an image. False when it is there already. Errc::kExists
// when something else is there, unless `force`; a directory is never replaced.
Result<bool> make_link(const std::string& binary, const std::string& directory, std::string_view name,
                       bool force);

}  // namespace shed::applets
