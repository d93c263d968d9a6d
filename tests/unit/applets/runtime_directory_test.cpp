#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "up/runtime_directory.h"

namespace fs = std::filesystem;
using shed::applets::RuntimeDirectory;

TEST_CASE("a runtime directory is its owner's alone") {
  const auto directory = RuntimeDirectory::make();
  REQUIRE(directory);
  struct stat info{};
  REQUIRE(::stat(directory->path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("a runtime directory goes with the files in it") {
  std::string path;
  {
    const auto directory = RuntimeDirectory::make();
    REQUIRE(directory);
    path = directory->path();
    std::ofstream(directory->file("left.behind")) << "x";
  }
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("two runtime directories are two") {
  const auto first = RuntimeDirectory::make();
  const auto second = RuntimeDirectory::make();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->path() != second->path());
}

TEST_CASE("a moved runtime directory is removed once, by its new owner") {
  auto first = RuntimeDirectory::make();
  REQUIRE(first);
  const std::string path = first->path();
  std::optional<RuntimeDirectory> second(std::move(*first));
  CHECK(fs::exists(path));
  second.reset();
  CHECK_FALSE(fs::exists(path));
}
