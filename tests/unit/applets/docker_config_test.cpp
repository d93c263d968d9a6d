#include "install/docker_config.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "shed/base/file.h"
#include "support/temporary_folder.h"

using namespace shed;
namespace fs = std::filesystem;

namespace {

struct Folder {
  void write(const fs::path& file, std::string_view text, unsigned mode = 0600) const {
    REQUIRE(write_file_atomically(path / file, text, mode));
  }
  std::string read(const fs::path& file) const { return read_file(path / file, 4096).value(); }
  unsigned mode(const fs::path& file) const {
    struct stat found{};
    REQUIRE(::stat((path / file).c_str(), &found) == 0);
    return found.st_mode & 0777U;
  }

  TemporaryFolder temporary;
  fs::path path = temporary.path();
};

}  // namespace

TEST_CASE_METHOD(Folder, "a configuration that is missing is made for its owner only") {
  CHECK(applets::set_credentials_store(path / ".docker/config.json").value());
  CHECK(read(".docker/config.json") == "{\n\t\"credsStore\": \"shed\"\n}\n");
  CHECK(mode(".docker/config.json") == 0600);
  CHECK(mode(".docker") == 0700);
}

TEST_CASE_METHOD(Folder, "the rest of a configuration stays as it is, and so does its mode") {
  write("config.json", "{\"proxies\": {}, \"credsStore\": \"desktop\"}\n", 0644);
  CHECK(applets::set_credentials_store(path / "config.json").value());
  CHECK(read("config.json") == "{\"proxies\": {}, \"credsStore\": \"shed\"}\n");
  CHECK(mode("config.json") == 0644);
}

TEST_CASE_METHOD(Folder, "nothing is written where nothing has to change") {
  write("config.json", "{\"credsStore\": \"shed\"}");
  CHECK_FALSE(applets::set_credentials_store(path / "config.json").value());
}

TEST_CASE_METHOD(Folder, "a configuration behind a link is changed where it is") {
  write("real.json", "{}");
  fs::create_symlink("real.json", path / "config.json");
  CHECK(applets::set_credentials_store(path / "config.json").value());
  CHECK(fs::is_symlink(path / "config.json"));
  CHECK_THAT(read("real.json"), Catch::Contains("shed"));
}

TEST_CASE_METHOD(Folder, "a configuration that cannot be read is left alone") {
  write("config.json", "{\"auths\": nope}");
  const auto changed = applets::set_credentials_store(path / "config.json");
  REQUIRE_FALSE(changed);
  CHECK(changed.error().text() == (path / "config.json").string() + ":1:11: not well-formed JSON");
  CHECK(read("config.json") == "{\"auths\": nope}");
}
