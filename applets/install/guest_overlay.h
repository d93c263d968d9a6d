// What `shed-ext install --guest` puts into the image of a guest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shed/base/result.h"

namespace shed::applets {

struct OverlayReport {
  std::vector<std::string> lines;  // "<path> <what became of it>", in the order in which it was done
  std::vector<Error> errors;
};

// Puts the binary, its links, the units, the clients' environment and docker's configuration below `root`,
// see shed-ext-install(1). All is looked at before the first byte is written: with an error about what is
// there already (Errc::kExists, kRefused, kInvalid) nothing was changed, and every such error is in the
// report. A file of somebody else, one whose content is another, is replaced only by `force`; a folder never
// is.
OverlayReport install_overlay(const std::string& root, std::string_view binary, bool force);

}  // namespace shed::applets
