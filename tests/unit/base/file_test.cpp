#include "shed/base/file.h"
#include "support/environment_variable.h"
#include "support/temporary_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace shed {
namespace {

namespace fs = std::filesystem;

std::ptrdiff_t entries_of(const TemporaryFolder& folder) {
  return std::distance(fs::directory_iterator(folder.path()), {});
}

void put(const std::string& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

unsigned mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

TEST_CASE("a descriptor is closed when its owner goes") {
  int raw = -1;
  {
    const UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = fd.get();
    REQUIRE(is_open(raw));
  }
  CHECK_FALSE(is_open(raw));
}

TEST_CASE("moving a descriptor moves the duty to close it") {
  UniqueFd first(open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd second(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int first_raw = first.get(), second_raw = second.get();
  second = std::move(first);
  CHECK_FALSE(first);
  CHECK(second.get() == first_raw);
  CHECK(is_open(first_raw));
  CHECK_FALSE(is_open(second_raw));
}

TEST_CASE("a released descriptor stays open") {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd other(fd.release());
  CHECK_FALSE(fd);
  fd.reset();
  CHECK(is_open(other.get()));
}

TEST_CASE("a whole file is read up to the limit") {
  const TemporaryFolder folder;
  const std::string bytes(10'000, '\xfe');
  put(folder / "f", bytes);
  CHECK(read_file(folder / "f", 10'000).value() == bytes);
  const auto larger = read_file(folder / "f", 9'999);
  REQUIRE_FALSE(larger);
  CHECK(larger.error().code() == Errc::kLimit);
  CHECK(larger.error().text() == (folder / "f") + ": larger than 9999 bytes");
}

TEST_CASE("an empty file is read, also with no room") {
  const TemporaryFolder folder;
  put(folder / "f", "");
  CHECK(read_file(folder / "f", 0).value().empty());
}

#ifdef __linux__
TEST_CASE("a file that says it is empty is read and limited all the same") {
  CHECK(read_file("/proc/self/status", 1 << 16).value().starts_with("Name:"));
  CHECK(read_file("/proc/self/status", 10).error().code() == Errc::kLimit);
}
#endif

TEST_CASE("a missing file is named") {
  const TemporaryFolder folder;
  const auto text = read_file(folder / "none", 10);
  REQUIRE_FALSE(text);
  CHECK(text.error().code() == Errc::kNotFound);
  CHECK(text.error().text() == (folder / "none") + ": no such file or directory");
}

TEST_CASE("a link to a file is followed") {
  const TemporaryFolder folder;
  put(folder / "f", "text");
  fs::create_symlink(folder / "f", folder / "link");
  CHECK(read_file(folder / "link", 10).value() == "text");
}

TEST_CASE("a FIFO is refused and not waited for") {
  const TemporaryFolder folder;
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const auto text = read_file(folder / "fifo", 10);
  REQUIRE_FALSE(text);
  CHECK(text.error().text() == (folder / "fifo") + ": not a regular file");
}

TEST_CASE("a directory is no file") {
  const TemporaryFolder folder;
  CHECK_FALSE(read_file(folder / ".", 10).has_value());
}

TEST_CASE("a secret file is read into a secret") {
  const TemporaryFolder folder;
  put(folder / "key", "private");
  CHECK(read_secret_file(folder / "key", 10).value().reveal() == "private");
  CHECK(read_secret_file(folder / "key", 6).error().code() == Errc::kLimit);
}

TEST_CASE("a file is written with its mode and nothing is left beside it") {
  const TemporaryFolder folder;
  REQUIRE(write_file_atomically(folder / "f", "text", 0640));
  CHECK(read_file(folder / "f", 10).value() == "text");
  CHECK(mode_of(folder / "f") == 0640);
  CHECK(entries_of(folder) == 1);
}

TEST_CASE("writing a file replaces the old one whole") {
  const TemporaryFolder folder;
  put(folder / "f", "a longer text than the new one");
  REQUIRE(write_file_atomically(folder / "f", "new", 0600));
  CHECK(read_file(folder / "f", 100).value() == "new");
}

TEST_CASE("writing does not follow a link") {
  const TemporaryFolder folder;
  put(folder / "target", "old");
  fs::create_symlink(folder / "target", folder / "f");
  REQUIRE(write_file_atomically(folder / "f", "new", 0600));
  CHECK(read_file(folder / "target", 10).value() == "old");
  CHECK_FALSE(fs::is_symlink(folder / "f"));
}

TEST_CASE("a file that cannot be written leaves nothing behind") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "f");
  const auto status = write_file_atomically(folder / "f", "text", 0600);
  REQUIRE_FALSE(status);
  CHECK(status.error().text() == (folder / "f") + ": is a directory");
  CHECK(entries_of(folder) == 1);
  CHECK(write_file_atomically(folder / "none/f", "text", 0600).error().code() == Errc::kNotFound);
}

TEST_CASE("a private directory is made with its parents") {
  const TemporaryFolder folder;
  REQUIRE(make_private_directory(folder / "a/b/c"));
  CHECK(mode_of(folder / "a") == 0700);
  CHECK(mode_of(folder / "a/b/c") == 0700);
}

TEST_CASE("a private directory may exist, and its path may end in a slash") {
  const TemporaryFolder folder;
  REQUIRE(make_private_directory(folder / "a/"));
  REQUIRE(make_private_directory(folder / "a"));
  fs::permissions(folder / "a", fs::perms(0755));
  CHECK(make_private_directory(folder / "a"));
}

TEST_CASE("a directory that others may write to is not private") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  const auto mode = GENERATE(0720, 0702);
  fs::permissions(folder / "a", fs::perms(mode));
  const auto status = make_private_directory(folder / "a");
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kPermission);
  CHECK(status.error().text() == (folder / "a") + ": other users may write to it; run chmod go-w on it");
}

TEST_CASE("a directory of somebody else is not private") {
  if (geteuid() == 0) {
    const TemporaryFolder folder;
    fs::create_directory(folder / "a");
    REQUIRE(chown((folder / "a").c_str(), 12345, static_cast<gid_t>(-1)) == 0);
    CHECK(make_private_directory(folder / "a").error().text() ==
          (folder / "a") + ": belongs to another user");
  } else {
    CHECK(make_private_directory("/usr").error().text() == "/usr: belongs to another user");
  }
}

TEST_CASE("a link to one's own private directory is fine") {
  const TemporaryFolder folder;
  REQUIRE(make_private_directory(folder / "a"));
  fs::create_directory_symlink(folder / "a", folder / "link");
  CHECK(make_private_directory(folder / "link"));
  CHECK(make_private_directory(folder / "link/b"));
}

TEST_CASE("a file in the way of a directory is named") {
  const TemporaryFolder folder;
  put(folder / "f", "");
  const auto status = make_private_directory(folder / "f");
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::kExists);
  CHECK(status.error().text() == (folder / "f") + ": not a directory");
  CHECK_FALSE(make_private_directory(folder / "f/below").has_value());
  CHECK(make_private_directory("").error().code() == Errc::kInvalid);
}

TEST_CASE("a tilde stands for the home directory") {
  const EnvironmentVariable home("HOME", "/home/somebody");
  CHECK(expand_home("~") == "/home/somebody");
  CHECK(expand_home("~/.ssh/id") == "/home/somebody/.ssh/id");
}

TEST_CASE("other paths are left alone") {
  const EnvironmentVariable home("HOME", "/home/somebody");
  for (const std::string_view path : {"", "/a/~/b", "a", "~other/x", "./~"}) CHECK(expand_home(path) == path);
}

TEST_CASE("without HOME the password database knows") {
  const EnvironmentVariable home("HOME", std::nullopt);
  CHECK(home_directory().starts_with('/'));
}

TEST_CASE("an unset variable is empty") {
  const EnvironmentVariable variable("SHED_TEST_VARIABLE", std::nullopt);
  CHECK(environment("SHED_TEST_VARIABLE").empty());
  const EnvironmentVariable set("SHED_TEST_VARIABLE", "x");
  CHECK(environment("SHED_TEST_VARIABLE") == "x");
}

}  // namespace
}  // namespace shed
