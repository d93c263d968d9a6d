// The files that a guest's image gets, as they lie in applets/guest; the build puts them into the binary.
#pragma once

#include <span>
#include <string_view>

namespace shed::applets {

struct OverlayFile {
  std::string_view path;  // below the image's root
  std::string_view text;
};

std::span<const OverlayFile> overlay_files();

}  // namespace shed::applets
