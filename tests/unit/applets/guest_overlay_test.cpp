#include "install/guest_overlay.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "image_fixture.h"
#include "install/overlay_files.h"

namespace fs = std::filesystem;
using shed::Errc;
using shed::applets::install_overlay;
using shed::applets::overlay_files;
using shed::applets::OverlayFile;
using shed::applets::OverlayReport;

namespace {

constexpr std::string_view kUnit = "etc/systemd/system/shed-ext-guest.service";
constexpr std::string_view kEnabled = "etc/systemd/system/multi-user.target.wants/shed-ext-guest.service";

struct Image : shed::applets::ImageFixture {
  Image() { fs::create_directories(root); }

  OverlayReport install(bool force = false, std::string_view binary = "binary") const {
    return install_overlay(root, binary, force);
  }
  // Installs, which must work.
  std::vector<std::string> lines(bool force = false, std::string_view binary = "binary") const {
    OverlayReport report = install(force, binary);
    for (const auto& error : report.errors) FAIL_CHECK(error.text());
    return report.lines;
  }
  // The one error of an installation that must not work.
  shed::Error only_error() const {
    const OverlayReport report = install();
    CHECK(report.lines.empty());
    REQUIRE(report.errors.size() == 1);
    return report.errors.front();
  }
  // Every file and link with what it holds.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const bool is_link = entry.is_symlink();
      if (entry.is_directory() && !is_link) continue;
      const fs::path path = entry.path().lexically_relative(root);
      found[path] = is_link ? fs::read_symlink(entry.path()).string() : text(path);
    }
    return found;
  }
};

std::string_view file_of_ours(std::string_view path) {
  for (const OverlayFile& file : overlay_files()) {
    if (file.path == path) return file.text;
  }
  return {};
}

}  // namespace

TEST_CASE_METHOD(Image, "an image gets the binary with the applets of a guest beside it") {
  lines(false, "the binary");
  CHECK(text("usr/local/bin/shed-ext") == "the binary");
  CHECK(mode("usr/local/bin/shed-ext") == 0755);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root / "usr/local/bin")) {
    names.push_back(entry.path().filename());
    if (entry.is_symlink()) CHECK(fs::read_symlink(entry.path()) == "shed-ext");
  }
  std::ranges::sort(names);
  CHECK(names == std::vector<std::string>{"docker-credential-shed", "shed-ext",
                                          "shed-ext-aws-credential-process", "shed-ext-aws-credentials",
                                          "shed-ext-bus", "shed-ext-guest", "shed-ext-ssh-agent",
                                          "shed-ext-status"});
}

TEST_CASE_METHOD(Image, "the files beside the applets are in the image byte for byte") {
  lines();
  CHECK(overlay_files().size() == 6);
  for (const OverlayFile& file : overlay_files()) {
    CHECK_FALSE(file.text.empty());
    CHECK(text(file.path) == file.text);
    CHECK(mode(file.path) == 0644);
  }
}

TEST_CASE_METHOD(Image, "the unit is enabled by a link that stays in the image") {
  lines();
  CHECK(fs::read_symlink(root / kEnabled) == "../shed-ext-guest.service");
  CHECK(fs::equivalent(root / kEnabled, root / kUnit));
}

TEST_CASE_METHOD(Image, "docker of root and of users to come asks the host, in files of their own") {
  lines();
  for (const fs::path home : {"root/.docker", "etc/skel/.docker"}) {
    CHECK(text(home / "config.json") == "{\n\t\"credsStore\": \"shed\"\n}\n");
    CHECK(mode(home / "config.json") == 0600);
    CHECK(mode(home) == 0700);
  }
}

TEST_CASE_METHOD(Image, "each thing is told, and a second time that it is there") {
  const auto first = lines();
  const auto before = everything();
  CHECK(first.size() == before.size());
  CHECK(first.front() == (root / "usr/local/bin/shed-ext").string() + " is new");
  const auto second = lines();
  CHECK(second.size() == first.size());
  for (const std::string& line : second) CHECK_THAT(line, Catch::EndsWith(" already"));
  CHECK(everything() == before);
}

TEST_CASE_METHOD(Image, "somebody else's file is left alone, and nothing else is made") {
  put(kUnit, "theirs");
  const auto error = only_error();
  CHECK(error.code() == Errc::kExists);
  CHECK(error.text() == (root / kUnit).string() + ": something else is there; remove it or use --force");
  CHECK(everything() == std::map<std::string, std::string>{{std::string(kUnit), "theirs"}});
}

TEST_CASE_METHOD(Image, "everything that is in the way is told at once") {
  put(kUnit, "theirs");
  put("usr/local/bin/shed-ext-guest", "theirs");
  put("root/.docker/config.json", "{\"auths\": nope}");
  CHECK(install().errors.size() == 3);
}

TEST_CASE_METHOD(Image, "force replaces files and links, and tells so") {
  put(kUnit, "theirs");
  put("usr/local/bin/shed-ext", "an older one");
  fs::create_symlink("/bin/true", root / "usr/local/bin/shed-ext-guest");
  const auto told = lines(true);
  CHECK(text(kUnit) == file_of_ours(kUnit));
  CHECK(text("usr/local/bin/shed-ext") == "binary");
  CHECK(fs::read_symlink(root / "usr/local/bin/shed-ext-guest") == "shed-ext");
  CHECK(told.front() == (root / "usr/local/bin/shed-ext").string() + " is new, in place of something else");
}

TEST_CASE_METHOD(Image, "a folder in the place of a file is never replaced") {
  fs::create_directories(root / "usr/local/bin/shed-ext/inside");
  const auto report = install(true);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors.front().text() == (root / "usr/local/bin/shed-ext").string() + ": a folder; remove it");
}

TEST_CASE_METHOD(Image, "a unit that somebody has masked stays masked") {
  fs::create_directories((root / kUnit).parent_path());
  fs::create_symlink("/dev/null", root / kUnit);
  const auto error = only_error();
  CHECK(error.text() ==
        (root / kUnit).string() + ": a link to '/dev/null' is there; remove it or use --force");
}

TEST_CASE_METHOD(Image, "a unit that systemctl has enabled is enabled") {
  fs::create_directories((root / kEnabled).parent_path());
  fs::create_symlink("/etc/systemd/system/shed-ext-guest.service", root / kEnabled);
  const auto told = lines();
  CHECK(std::ranges::count(told, (root / kEnabled).string() + " is there already") == 1);
}

TEST_CASE_METHOD(Image,
                 "a folder that is a link to one of this machine is refused before anything is written") {
  const fs::path image = root / "image";
  fs::create_directories(image);
  fs::create_directories(root / "machine");
  fs::create_directory_symlink(root / "machine", image / "etc");
  const auto report = install_overlay(image, "binary", true);
  CHECK(report.lines.empty());
  REQUIRE_FALSE(report.errors.empty());
  for (const auto& error : report.errors) CHECK(error.code() == Errc::kRefused);
  CHECK(fs::is_empty(root / "machine"));
  CHECK_FALSE(fs::exists(image / "usr"));
}

TEST_CASE_METHOD(Image, "a docker configuration keeps the rest and its mode") {
  put("root/.docker/config.json", "{\"psFormat\": \"x\"}");
  fs::permissions(root / "root/.docker/config.json", fs::perms(0640));
  lines();
  CHECK_THAT(text("root/.docker/config.json"), Catch::Contains("\"psFormat\": \"x\""));
  CHECK_THAT(text("root/.docker/config.json"), Catch::Contains("\"credsStore\": \"shed\""));
  CHECK(mode("root/.docker/config.json") == 0640);
}

TEST_CASE_METHOD(Image, "another credential store is replaced only by force") {
  const std::string_view theirs = "{\"credsStore\": \"desktop\", \"auths\": {}}";
  put("root/.docker/config.json", theirs);
  CHECK(only_error().text() == (root / "root/.docker/config.json").string() +
                                   ": credsStore is 'desktop'; remove that line or use --force");
  CHECK(text("root/.docker/config.json") == theirs);
  lines(true);
  CHECK(text("root/.docker/config.json") == "{\"credsStore\": \"shed\", \"auths\": {}}");
}

TEST_CASE_METHOD(Image, "a docker configuration that cannot be read is left alone, by force too") {
  put("root/.docker/config.json", "{\"auths\": nope}");
  const auto report = install(true);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors.front().text() ==
        (root / "root/.docker/config.json").string() + ":1:11: not well-formed JSON");
  CHECK(text("root/.docker/config.json") == "{\"auths\": nope}");
}

TEST_CASE_METHOD(Image, "a program that others may write to is set right") {
  lines();
  fs::permissions(root / "usr/local/bin/shed-ext", fs::perms(0777));
  const auto told = lines();
  CHECK(told.front() ==
        (root / "usr/local/bin/shed-ext").string() + " was there; owner and mode are set now");
  CHECK(mode("usr/local/bin/shed-ext") == 0755);
}

TEST_CASE_METHOD(Image, "a root that is missing is named") {
  const auto report = install_overlay(root / "missing", "binary", false);
  REQUIRE(report.errors.size() == 1);
  CHECK_THAT(report.errors.front().text(), Catch::StartsWith((root / "missing").string() + ": "));
}
