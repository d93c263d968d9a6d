#include "shed/aws/profile_files.h"

#include <catch2/catch.hpp>
#include <string>

using namespace shed;
using namespace shed::aws;

namespace {

ProfileFiles read(std::string_view config, std::string_view credentials = "") {
  auto files = ProfileFiles::parse(config, "config", credentials, "credentials");
  if (!files) FAIL(files.error().text());
  return std::move(*files);
}

// The text of a key; "-" where there is no such profile, "" where it has no such key.
std::string value(const ProfileFiles& files, std::string_view profile, std::string_view key) {
  const ProfileSection* section = files.profile(profile);
  return section == nullptr ? "-" : std::string(section->text(key));
}

std::string value(std::string_view config, std::string_view profile, std::string_view key) {
  return value(read(config), profile, key);
}

std::string error_of(std::string_view config, std::string_view credentials = "") {
  const auto files = ProfileFiles::parse(config, "config", credentials, "credentials");
  REQUIRE_FALSE(files.has_value());
  return files.error().text();
}

}  // namespace

TEST_CASE("the config file has [profile NAME] and [default]") {
  const auto files = read("[default]\nregion = eu-west-1\n[profile web]\nregion = us-east-1\n");
  CHECK(value(files, "default", "region") == "eu-west-1");
  CHECK(value(files, "web", "region") == "us-east-1");
}

TEST_CASE("a section of the config file that says of no profile is none") {
  const auto files =
      read("[web]\nregion = a\n[preview]\nx = y\n[sso-session web]\nz = 1\n[profile]\nq = 1\n");
  CHECK(files.profile_names().empty());
}

TEST_CASE("the credentials file has [NAME], also of several words") {
  const auto files = read("", "[web]\na = 1\n[my keys]\na = 2\n[\"in quotes\"]\na = 3\n");
  CHECK(value(files, "web", "a") == "1");
  CHECK(value(files, "my keys", "a") == "2");
  CHECK(value(files, "in quotes", "a") == "3");
}

TEST_CASE("[profile NAME] of the credentials file fills what [NAME] leaves open") {
  const auto files = read("", "[profile web]\na = 1\nb = 2\n[web]\na = 3\n");
  CHECK(value(files, "web", "a") == "3");
  CHECK(value(files, "web", "b") == "2");
}

TEST_CASE("quotes hold the name of a profile together") {
  CHECK(value("[profile \"a b\"]\nx = 1\n", "a b", "x") == "1");
  CHECK(value("[profile 'a b']\nx = 1\n", "a b", "x") == "1");
  CHECK(value("[profile \"a]b\"]\nx = 1\n", "a]b", "x") == "1");
  CHECK(value("[profile my\" \"own]\nx = 1\n", "my own", "x") == "1");
}

TEST_CASE("a profile of several words needs quotes in the config file") {
  CHECK(read("[profile a b]\nx = 1\n").profile_names().empty());
  CHECK(read("[profile \"a b]\nx = 1\n").profile_names().empty());
  CHECK(read("[profile \"\"]\nx = 1\n").profile_names().empty());
}

TEST_CASE("blanks around and between the words of a header do not matter") {
  CHECK(value("[ profile\t web ]\nx = 1\n", "web", "x") == "1");
  CHECK(value("  [profile web]  \nx = 1\n", "web", "x") == "1");
}

TEST_CASE("a comment may stand behind a header") {
  CHECK(value("[profile web] # [mine]\nx = 1\n", "web", "x") == "1");
  CHECK(value("[profile web];mine\nx = 1\n", "web", "x") == "1");
}

TEST_CASE("the credentials file's values win key by key") {
  const auto files = read("[profile web]\na = 1\nb = 2\n", "[web]\na = 3\n");
  CHECK(value(files, "web", "a") == "3");
  CHECK(value(files, "web", "b") == "2");
}

TEST_CASE("an empty value leaves the other file's in force") {
  const auto files = read("[profile web]\na = 1\n", "[web]\na =\n");
  CHECK(value(files, "web", "a") == "1");
  CHECK(files.profile("web")->find("b") == nullptr);
}

TEST_CASE("an empty value counts as absent") {
  CHECK(read("[default]\na =\n").profile("default")->find("a") == nullptr);
}

TEST_CASE("the first of two keys counts, also across sections of one name") {
  CHECK(value("[default]\na = 1\na = 2\n", "default", "a") == "1");
  CHECK(value("[default]\na = 1\n[profile web]\n[default]\na = 2\nb = 3\n", "default", "a") == "1");
  CHECK(value("[default]\na = 1\n[profile web]\n[default]\na = 2\nb = 3\n", "default", "b") == "3");
}

TEST_CASE("[profile default] puts [default] of the config file out of force") {
  const auto files = read("[default]\na = 1\nb = 2\n[profile default]\na = 3\n", "[default]\nc = 4\n");
  CHECK(value(files, "default", "a") == "3");
  CHECK(value(files, "default", "b").empty());
  CHECK(value(files, "default", "c") == "4");
}

TEST_CASE("keys are lower-cased, names and values are not") {
  const auto files = read("[profile Web]\nRole_ARN = Mixed\n");
  CHECK(value(files, "Web", "role_arn") == "Mixed");
  CHECK(value(files, "web", "role_arn") == "-");
}

TEST_CASE("the first of = and : separates") {
  CHECK(value("[default]\na: 1 = 2\n", "default", "a") == "1 = 2");
  CHECK(value("[default]\na=http://host:1/\n", "default", "a") == "http://host:1/");
  CHECK(value("[default]\na\t=\t1\t\n", "default", "a") == "1");
}

TEST_CASE("a comment starts a line, with or without blanks before it") {
  CHECK(value("# x\n[default]\n; y\n  # z = 1\na = 1\n", "default", "a") == "1");
  CHECK(value("[default]\n  # z = 1\n", "default", "z").empty());
}

TEST_CASE("a # or ; behind a value belongs to it") {
  CHECK(value("[default]\na = 1 # 2 ; 3\n", "default", "a") == "1 # 2 ; 3");
}

TEST_CASE("quotes around a value belong to it") {
  CHECK(value("[default]\na = \"1\"\n", "default", "a") == "\"1\"");
}

TEST_CASE("an indented line continues the value above it") {
  CHECK(value("[default]\na = 1\n  2\n\t[3]\n", "default", "a") == "1\n2\n[3]");
}

TEST_CASE("empty lines and comments do not end a value") {
  CHECK(value("[default]\na = 1\n\n# c\n  2\n\n\nb = 3\n", "default", "a") == "1\n\n2");
  CHECK(value("[default]\na = 1\n\n# c\n  2\n\n\nb = 3\n", "default", "b") == "3");
}

TEST_CASE("keys that are indented alike do not continue one another") {
  CHECK(value("[default]\n  a = 1\n  b = 2\n c = 3\n", "default", "a") == "1");
  CHECK(value("[default]\n  a = 1\n  b = 2\n c = 3\n", "default", "b") == "2");
  CHECK(value("[default]\n  a = 1\n  b = 2\n c = 3\n", "default", "c") == "3");
}

TEST_CASE("indented lines below an empty value nest in it") {
  const auto files =
      read("[services local]\nsts =\n  Endpoint_URL = http://localhost:1\n\n  # c\n  x : y\ns3 =\n  x = z\n");
  const ProfileSection* local = files.services("local");
  REQUIRE(local != nullptr);
  CHECK(local->text("sts.endpoint_url") == "http://localhost:1");
  CHECK(local->text("sts.x") == "y");
  CHECK(local->text("s3.x") == "z");
  CHECK(local->find("sts") == nullptr);
  CHECK(local->find("sts.endpoint_url")->line == 3);
}

TEST_CASE("services and profiles of one name are two things") {
  const auto files = read("[services x]\na = 1\n[profile x]\na = 2\n");
  CHECK(files.services("x")->text("a") == "1");
  CHECK(value(files, "x", "a") == "2");
  CHECK(files.services("y") == nullptr);
}

TEST_CASE("line ends of Windows and a byte order mark are nothing") {
  const auto files = read("\xef\xbb\xbf[default]\r\na = 1\r\n  2\r\n\r\nb = 3");
  CHECK(value(files, "default", "a") == "1\n2");
  CHECK(value(files, "default", "b") == "3");
}

TEST_CASE("files without a line are empty") {
  CHECK(read("", "").profile_names().empty());
  CHECK(read("\n\n \t\n# x", "\xef\xbb\xbf").profile_names().empty());
}

TEST_CASE("values and sections say where they stand") {
  const auto files = read("\n[profile web]\na = 1\n\n[profile own]\n", "[web]\n\nb = 2\n");
  CHECK(files.profile("web")->find("a")->where() == "config:3");
  CHECK(files.profile("web")->find("b")->where() == "credentials:3");
  CHECK(files.profile("web")->where() == "credentials:1");
  CHECK(files.profile("own")->where() == "config:5");
}

TEST_CASE("where something stands is known after the files moved") {
  ProfileFiles moved = read("[profile web]\na = 1\n");
  const ProfileFiles files = std::move(moved);
  CHECK(files.profile("web")->find("a")->where() == "config:2");
}

TEST_CASE("profiles are listed by name, those of both files") {
  CHECK(read("[profile b]\n[default]\n", "[a]\n[b]\n").profile_names() ==
        std::vector<std::string>{"a", "b", "default"});
}

TEST_CASE("a letter of any script may stand in a name and a value") {
  CHECK(value("[profile b\xc3\xbcro]\na = \xe6\x97\xa5\n", "b\xc3\xbcro", "a") == "\xe6\x97\xa5");
}

TEST_CASE("of two keys the one that stands first is found") {
  const auto files = read("[profile web]\nlate = 1\n", "[web]\nb = 2\na = 1\n");
  const ProfileSection& web = *files.profile("web");
  CHECK(web.find_first("a", "b") == web.find("b"));
  CHECK(web.find_first("b", "a") == web.find("b"));
  CHECK(web.find_first("late", "a") == web.find("a"));
  CHECK(web.find_first("a", "late") == web.find("a"));
  CHECK(web.find_first("none", "late") == web.find("late"));
  CHECK(web.find_first("none", "nothing") == nullptr);
}

TEST_CASE("broken lines are named with file and line") {
  CHECK(error_of("[default]\na = 1\nbroken\n") == "config:3: the line is neither a section nor KEY = VALUE");
  CHECK(error_of("", "\n[x\n") == "credentials:2: the section's name lacks its closing bracket");
  CHECK(error_of("[]\n") == "config:1: the section has no name");
  CHECK(error_of("[ ]\n") == "config:1: the section has no name");
  CHECK(error_of("[default] a = 1\n") == "config:1: there is more on the line than the section's name");
  CHECK(error_of("# c\na = 1\n[default]\n") == "config:2: the line stands before the first section");
  CHECK(error_of("[default]\n = 1\n") == "config:2: the line has a value without a key");
  CHECK(error_of("[default]\n:\n") == "config:2: the line has a value without a key");
  CHECK(error_of("[preview]\nbroken\n") == "config:2: the line is neither a section nor KEY = VALUE");
}

TEST_CASE("a broken nested line is named with its own line") {
  CHECK(error_of("[default]\ns3 =\n  a = 1\n  broken\n\n[profile x]\n") ==
        "config:4: the line is neither a section nor KEY = VALUE");
}

TEST_CASE("what is no text is refused with its line") {
  using namespace std::string_literals;
  CHECK(error_of("[default]\na = \xff\n") == "config:2: the file is not UTF-8 text");
  CHECK(error_of("\xff\xfe[\0d\0"s) == "config:1: the file is not UTF-8 text");
  CHECK(error_of("[default]\na = 1\0\n"s) == "config:2: there is a control character on the line");
  CHECK(error_of("[default]\n# \x1b[31m\n") == "config:2: there is a control character on the line");
  CHECK(error_of("[default]\ra = 1\r") == "config:1: there is a control character on the line");
  CHECK(error_of("[default]\na = \xc2\x85\n") == "config:2: there is a control character on the line");
}

TEST_CASE("no error repeats what stands in the file") {
  for (const char* text : {"[default]\nSECRET\n", "[SECRET\n", "[default] SECRET\n", "SECRET = 1\n",
                           "[default]\n = SECRET\n", "[default]\ns3 =\n SECRET\n"}) {
    CHECK(error_of(text).find("SECRET") == std::string::npos);
  }
}

TEST_CASE("a long line is a long value") {
  const std::string text(kMaxProfileFileBytes - 100, 'x');
  CHECK(value("[default]\na = " + text + "\n", "default", "a") == text);
}

TEST_CASE("a file over its bound is refused") {
  const std::string fits = "[default]\n#" + std::string(kMaxProfileFileBytes - 11, 'x');
  CHECK(read(fits).profile("default") != nullptr);
  const auto files = ProfileFiles::parse(fits + "x", "config", "", "credentials");
  REQUIRE_FALSE(files.has_value());
  CHECK(files.error().code() == Errc::kLimit);
  CHECK(files.error().text() == "config: the file has more than 1048576 bytes");
}

TEST_CASE("more sections or keys than the bound are refused") {
  std::string sections;
  for (std::size_t i = 0; i < kMaxProfileSections; ++i) sections += fmt::format("[profile {}]\n", i);
  CHECK(read(sections).profile_names().size() == kMaxProfileSections);
  CHECK(error_of(sections + "[x]\n") == "config:8193: the file has more than 8192 sections");

  std::string keys = "[default]\nnested =\n";
  for (std::size_t i = 0; i < kMaxProfileKeys; ++i) keys += fmt::format(" {}=1\n", i);
  CHECK(value(keys, "default", "nested.65535") == "1");
  CHECK(error_of(keys + "x=1\n") == "config:65539: the file has more than 65536 keys");
}
