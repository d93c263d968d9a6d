// A guest's image that a test makes and looks into.
#pragma once

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/temporary_folder.h"

namespace shed::applets {

class ImageFixture {
 public:
  // Makes the folders above the file, too.
  void put(const std::filesystem::path& file, std::string_view text) const {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  std::string text(const std::filesystem::path& file) const {
    std::ifstream in(root / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Of a link itself.
  unsigned mode(const std::filesystem::path& file) const {
    struct stat found{};
    REQUIRE(::lstat((root / file).c_str(), &found) == 0);
    return found.st_mode & 07777U;
  }

 private:
  TemporaryFolder temporary_;

 public:
  std::filesystem::path folder = temporary_.path(), root = folder / "root";
};

}  // namespace shed::applets
