#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "install/links.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using shed::Errc;
using shed::applets::make_link;

namespace {

// A folder with a binary in it, for one test.
struct Folder {
  Folder() { std::ofstream(binary) << "binary"; }
  shed::TemporaryFolder temporary;
  fs::path path = temporary.path(), binary = path / "shed-ext";
};

}  // namespace

TEST_CASE("a link beside the binary is relative") {
  const Folder folder;
  const auto made = make_link(folder.binary, folder.path, "shed-host-agent", false);
  REQUIRE(made);
  CHECK(*made);
  CHECK(fs::read_symlink(folder.path / "shed-host-agent") == "shed-ext");
}

TEST_CASE("a link in another directory names the binary's whole path") {
  const Folder folder;
  fs::create_directory(folder.path / "bin");
  REQUIRE(make_link(folder.binary, folder.path / "bin", "shed-host-agent", false));
  CHECK(fs::read_symlink(folder.path / "bin/shed-host-agent") == folder.binary);
}

TEST_CASE("a link that is there already is left as it is") {
  const Folder folder;
  REQUIRE(make_link(folder.binary, folder.path, "shed-host-agent", false));
  const auto again = make_link(folder.binary, folder.path, "shed-host-agent", false);
  REQUIRE(again);
  CHECK_FALSE(*again);
}

TEST_CASE("somebody else's file is replaced only by force, a directory never") {
  const Folder folder;
  std::ofstream(folder.path / "shed-host-agent") << "theirs";
  const auto refused = make_link(folder.binary, folder.path, "shed-host-agent", false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::kExists);
  CHECK(fs::is_regular_file(folder.path / "shed-host-agent"));
  REQUIRE(make_link(folder.binary, folder.path, "shed-host-agent", true));
  CHECK(fs::is_symlink(folder.path / "shed-host-agent"));
  fs::create_directory(folder.path / "shed-ext-bus");
  CHECK_FALSE(make_link(folder.binary, folder.path, "shed-ext-bus", true));
}

TEST_CASE("a directory that is missing is named") {
  const Folder folder;
  const auto made = make_link(folder.binary, folder.path / "missing", "shed-host-agent", false);
  REQUIRE_FALSE(made);
  CHECK(made.error().text() == (folder.path / "missing").string() + ": no such directory");
}
