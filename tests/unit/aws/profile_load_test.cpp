// Profile files as they lie on a disk.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "shed/aws/profile_files.h"
#include "shed/base/file.h"
#include "support/temporary_folder.h"

using namespace shed;
using namespace shed::aws;

namespace {

struct Folder : TemporaryFolder {
  std::string write(const std::string& name, std::string_view text) const {
    REQUIRE(write_file_atomically(*this / name, text, 0600).has_value());
    return *this / name;
  }
};

}  // namespace

TEST_CASE("both files are read from where they are") {
  const Folder folder;
  const std::string config = folder.write("config", "[profile web]\nregion = eu-west-1\n");
  const auto files =
      ProfileFiles::load(config, folder.write("credentials", "[web]\naws_access_key_id = A\n"));
  REQUIRE(files.has_value());
  CHECK(files->profile("web")->text("region") == "eu-west-1");
  CHECK(files->profile("web")->text("aws_access_key_id") == "A");
  CHECK(files->profile("web")->find("region")->where() == config + ":2");
}

TEST_CASE("files that are missing are empty, and so is /dev/null") {
  const Folder folder;
  for (const std::string& path :
       {folder / "missing", folder / "missing/config", std::string(), std::string("/dev/null")}) {
    const auto files = ProfileFiles::load(path, path);
    REQUIRE(files.has_value());
    CHECK(files->profile_names().empty());
  }
}

TEST_CASE("what is no file is named, once") {
  const Folder folder;
  const auto files = ProfileFiles::load(folder / "", "");
  REQUIRE_FALSE(files.has_value());
  CHECK(files.error().text() == folder / "" + ": not a regular file");
}

TEST_CASE("a FIFO does not hang the reader") {
  const Folder folder;
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const auto files = ProfileFiles::load("", folder / "fifo");
  REQUIRE_FALSE(files.has_value());
  CHECK(files.error().text() == folder / "fifo" + ": not a regular file");
}

TEST_CASE("a file over its bound is not read") {
  const Folder folder;
  const auto files =
      ProfileFiles::load(folder.write("config", std::string(kMaxProfileFileBytes + 1, '#')), "");
  REQUIRE_FALSE(files.has_value());
  CHECK(files.error().code() == Errc::kLimit);
}

TEST_CASE("a broken file is named with its path and line") {
  const Folder folder;
  const std::string path = folder.write("credentials", "[web]\nbroken\n");
  const auto files = ProfileFiles::load("", path);
  REQUIRE_FALSE(files.has_value());
  CHECK(files.error().text() == path + ":2: the line is neither a section nor KEY = VALUE");
}
