#include "install/image_tree.h"
#include "image_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace fs = std::filesystem;
using shed::Errc;
using shed::applets::ImageTree;
using Kind = ImageTree::Kind;

namespace {

// An image's root, and beside it a folder of "this machine" that must stay as it is.
struct Image : shed::applets::ImageFixture {
  Image() {
    fs::create_directories(root);
    fs::create_directories(machine);
  }

  ImageTree tree() const { return ImageTree::open(root).value(); }
  bool machine_is_untouched() const { return fs::is_empty(machine); }

  fs::path machine = folder / "machine";
};

}  // namespace

TEST_CASE_METHOD(Image, "a file is written with the mode it was given, whatever the umask is") {
  const mode_t before = ::umask(0077);
  const auto status = tree().write("etc/profile.d/x.sh", "text\n", {0644, 0755});
  ::umask(before);
  REQUIRE(status);
  CHECK(text("etc/profile.d/x.sh") == "text\n");
  CHECK(mode("etc/profile.d/x.sh") == 0644);
  CHECK(mode("etc") == 0755);
  CHECK(mode("etc/profile.d") == 0755);
}

TEST_CASE_METHOD(Image, "only the last of the missing folders is private") {
  REQUIRE(tree().write("etc/skel/.docker/config.json", "{}", {0600, 0700}));
  CHECK(mode("etc/skel/.docker/config.json") == 0600);
  CHECK(mode("etc/skel/.docker") == 0700);
  CHECK(mode("etc/skel") == 0755);
}

TEST_CASE_METHOD(Image, "the home of root is private where it is made") {
  REQUIRE(tree().write("root/.docker/config.json", "{}", {0600, 0700}));
  CHECK(mode("root") == 0700);
}

TEST_CASE_METHOD(Image, "nothing but the file is left after writing") {
  REQUIRE(tree().write("etc/x", "one", {}));
  REQUIRE(tree().write("etc/x", "two", {}));
  CHECK(text("etc/x") == "two");
  CHECK(std::distance(fs::directory_iterator(root / "etc"), {}) == 1);
}

TEST_CASE_METHOD(Image, "a link to a folder of this machine is refused and named") {
  fs::create_directory_symlink(machine, root / "etc");
  const auto written = tree().write("etc/x", "text", {});
  REQUIRE_FALSE(written);
  CHECK(written.error().code() == Errc::kRefused);
  CHECK(written.error().text() ==
        (root / "etc").string() + ": a link to '" + machine.string() +
            "'; links inside the image are not followed: put a folder in its place");
  CHECK(machine_is_untouched());
}

TEST_CASE_METHOD(Image, "a relative link that leaves the image is refused") {
  fs::create_directory_symlink("../machine", root / "etc");
  CHECK_FALSE(tree().link("etc/x", "y"));
  CHECK_FALSE(tree().look("etc/x"));
  CHECK(machine_is_untouched());
}

TEST_CASE_METHOD(Image, "a link deep in the tree is refused as one at its top is") {
  fs::create_directories(root / "etc/systemd");
  fs::create_directory_symlink(machine, root / "etc/systemd/system");
  const auto written = tree().write("etc/systemd/system/wants/x", "text", {});
  REQUIRE_FALSE(written);
  CHECK(written.error().code() == Errc::kRefused);
  CHECK(machine_is_untouched());
}

TEST_CASE_METHOD(Image, "what a link is called cannot forge a line of output") {
  fs::create_directory_symlink("x\ny", root / "etc");
  const auto written = tree().write("etc/x", "text", {});
  REQUIRE_FALSE(written);
  CHECK(written.error().text().find('\n') == std::string::npos);
}

TEST_CASE_METHOD(Image, "a link in the place of a file is replaced, and what it leads to stays") {
  std::ofstream(folder / "precious") << "precious";
  fs::create_symlink(folder / "precious", root / "x");
  REQUIRE(tree().write("x", "text", {}));
  CHECK(fs::is_regular_file(fs::symlink_status(root / "x")));
  std::ifstream in(folder / "precious");
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "precious");
}

TEST_CASE_METHOD(Image, "a link in the place of a file is not read") {
  std::ofstream(folder / "precious") << "precious";
  fs::create_symlink(folder / "precious", root / "x");
  CHECK_FALSE(tree().read("x", 100));
  CHECK_FALSE(tree().holds("x", "precious"));
}

TEST_CASE_METHOD(Image, "a FIFO in the place of a file holds nobody up") {
  REQUIRE(::mkfifo((root / "x").c_str(), 0600) == 0);
  CHECK(tree().look("x").value().kind == Kind::kOther);
  const auto read = tree().read("x", 100);
  REQUIRE_FALSE(read);
  CHECK(read.error().text() == (root / "x").string() + ": not a regular file");
}

TEST_CASE_METHOD(Image, "a file in the place of a folder is named") {
  put("etc", "a file");
  const auto written = tree().write("etc/profile.d/x.sh", "text", {});
  REQUIRE_FALSE(written);
  CHECK(written.error().code() == Errc::kExists);
  CHECK(written.error().text() == (root / "etc").string() + ": not a folder; remove it");
}

TEST_CASE_METHOD(Image,
                 "a folder is replaced neither by a file nor by a link, and nothing is left beside it") {
  fs::create_directories(root / "etc/x");
  CHECK_FALSE(tree().write("etc/x", "text", {}));
  CHECK_FALSE(tree().link("etc/x", "y"));
  CHECK(fs::is_directory(root / "etc/x"));
  CHECK(std::distance(fs::directory_iterator(root / "etc"), {}) == 1);
}

TEST_CASE_METHOD(Image, "content is compared to its last byte") {
  const std::string large(200'000, 'x');
  put("x", large);
  CHECK(tree().holds("x", large).value());
  CHECK_FALSE(tree().holds("x", large + "x").value());
  CHECK_FALSE(tree().holds("x", large.substr(1)).value());
  CHECK_FALSE(tree().holds("x", large.substr(1) + "y").value());
  CHECK_FALSE(tree().holds("x", "").value());
}

TEST_CASE_METHOD(Image, "a file is read up to the limit and no further") {
  put("x", "12345");
  CHECK(tree().read("x", 5).value() == "12345");
  const auto read = tree().read("x", 4);
  REQUIRE_FALSE(read);
  CHECK(read.error().code() == Errc::kLimit);
}

TEST_CASE_METHOD(Image, "looking makes nothing") {
  CHECK(tree().look("usr/local/bin/x").value().kind == Kind::kMissing);
  CHECK(fs::is_empty(root));
}

TEST_CASE_METHOD(Image, "a link is made, replaced and told") {
  REQUIRE(tree().link("a/b", "first"));
  REQUIRE(tree().link("a/b", "second"));
  const auto there = tree().look("a/b").value();
  CHECK(there.kind == Kind::kLink);
  CHECK(there.target == "second");
}

TEST_CASE_METHOD(Image, "the root itself may be behind a link, and is named as the person did") {
  fs::create_directory_symlink("root", folder / "mounted");
  const auto named = ImageTree::open((folder / "mounted/").string()).value();
  REQUIRE(named.write("x", "text", {}));
  CHECK(text("x") == "text");
  CHECK(named.name("x") == (folder / "mounted/x").string());
  CHECK(ImageTree::open("/").value().name("etc/x") == "/etc/x");
}

TEST_CASE_METHOD(Image, "a root that is missing or no folder is named") {
  const auto missing = ImageTree::open(folder / "missing");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == Errc::kNotFound);
  put("file", "text");
  CHECK_FALSE(ImageTree::open(root / "file"));
}
