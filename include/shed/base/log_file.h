// Log lines into a file that does not grow for ever.
#pragma once

#include <string>

#include "shed/base/result.h"

namespace shed::log {

// From now on lines go to `path` (0600), each with its time in front, instead of stderr. At 10 MB
// the file becomes path.1, path.1 becomes path.2, up to path.5; what is older than 30 days is
// removed at that moment and at start. When the file cannot be written later, lines go to stderr.
Status write_to_file(std::string path);

}  // namespace shed::log
