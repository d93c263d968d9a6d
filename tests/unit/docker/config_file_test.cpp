#include "shed/docker/config_file.h"

#include <catch2/catch.hpp>

#include "shed/base/base64.h"
#include "shed/base/file.h"

using namespace shed;
using namespace shed::docker;

namespace {

ConfigFile config(std::string_view text) {
  auto parsed = ConfigFile::parse(text);
  INFO(text << ": " << (parsed ? "" : parsed.error().text()));
  REQUIRE(parsed);
  return std::move(*parsed);
}

std::string problem(std::string_view text) {
  const auto parsed = ConfigFile::parse(text);
  REQUIRE_FALSE(parsed);
  return parsed.error().text();
}

std::string helper(const ConfigFile& file, std::string_view server_url) {
  const auto entry = file.helper_for(server_url);
  return entry ? entry->helper + " " + entry->key : "none";
}

Result<Login> login(std::string_view server_url, std::string_view plain) {
  InlineLogin entry;
  entry.auth = Secret(base64_encode(plain));
  return read_inline_login(server_url, entry);
}

JsonValue vectors(JsonDocument& document, const char* file) {
  const auto text = read_file(std::string(SHED_FIXTURES) + "/" + file, 1024 * 1024);
  if (!text) {
    WARN("no vectors beside the checkout: " << text.error().text());
    return {};
  }
  const auto root = document.parse(*text);
  REQUIRE(root);
  return *root;
}

}  // namespace

TEST_CASE("a registry's helper is found by whichever form of its name") {
  JsonDocument document;
  for (const JsonValue& vector : vectors(document, "docker_normalize.json")["lookup_vectors"].elements()) {
    INFO(*vector["name"].string());
    std::string text;
    JsonWriter writer(text);
    writer.begin_object().key("credHelpers").begin_object();
    for (const auto& [key, value] : vector["map"].members()) writer.field(key, *value.string());
    writer.end_object().end_object();
    const auto entry = config(text).helper_for(*vector["raw"].string());
    CHECK((entry ? entry->helper : "") == vector["expected"].string_or(""));
  }
}

TEST_CASE("a helper is asked with the key as the file spells it") {
  const ConfigFile file =
      config(R"({"credHelpers": {"https://index.docker.io/v1/": "hub", "GHCR.io": "gh"}})");
  CHECK(helper(file, "docker.io") == "hub https://index.docker.io/v1/");
  CHECK(helper(file, "https://registry-1.docker.io/v2/") == "hub https://index.docker.io/v1/");
  CHECK(helper(file, "ghcr.io") == "gh GHCR.io");
  CHECK(helper(file, "ghcr.io:443") == "none");
}

TEST_CASE("of several keys the one with the longest path counts") {
  const ConfigFile file =
      config(R"({"credHelpers": {"ghcr.io": "host", "ghcr.io/org": "org", "ghcr.io/org/app": "app"}})");
  CHECK(helper(file, "ghcr.io") == "host ghcr.io");
  CHECK(helper(file, "ghcr.io/other") == "host ghcr.io");
  CHECK(helper(file, "ghcr.io/org/tool") == "org ghcr.io/org");
  CHECK(helper(file, "ghcr.io/org/app/x") == "app ghcr.io/org/app");
  CHECK(helper(file, "ghcr.io/organisation") == "host ghcr.io");
}

TEST_CASE("inline logins are read as the existing implementation has it") {
  JsonDocument document;
  const JsonValue root = vectors(document, "docker_inline_auth.json");
  for (const JsonValue& vector : root["valid_vectors"].elements()) {
    const auto read = login(*vector["server_url"].string(), *vector["plain"].string());
    REQUIRE(read);
    CHECK(read->server_url == *vector["server_url"].string());
    CHECK(read->username.reveal() == *vector["username"].string());
    CHECK(read->secret.reveal() == *vector["secret"].string());
  }
  for (const JsonValue& vector : root["invalid_vectors"].elements()) {
    const auto read = login(*vector["server_url"].string(), *vector["plain"].string());
    REQUIRE_FALSE(read);
    CHECK(read.error().text() == *vector["expected_error"].string());
  }
}

TEST_CASE("a login is read from its own entry, with colons in the password") {
  const ConfigFile file = config(R"({"auths": {"https://index.docker.io/v1/": {"auth": "bWU6YTpiOmM="}}})");
  const auto entry = file.login_for("docker.io");
  REQUIRE(entry);
  const auto read = read_inline_login("docker.io", *entry->login);
  REQUIRE(read);
  CHECK(entry->key == "https://index.docker.io/v1/");
  CHECK(read->username.reveal() == "me");
  CHECK(read->secret.reveal() == "a:b:c");
}

TEST_CASE("an identity token wins over a password") {
  const ConfigFile file = config(R"({"auths": {"a.io": {"auth": "bWU6cHc=", "identitytoken": "tok"}}})");
  const auto read = read_inline_login("a.io", *file.login_for("a.io")->login);
  REQUIRE(read);
  CHECK(read->username.reveal() == "<token>");
  CHECK(read->secret.reveal() == "tok");
}

TEST_CASE("a user name and password may stand for themselves") {
  const ConfigFile file = config(R"({"auths": {"a.io": {"username": "me", "password": "pw"}}})");
  const auto read = read_inline_login("a.io", *file.login_for("a.io")->login);
  REQUIRE(read);
  CHECK(read->username.reveal() == "me");
  CHECK(read->secret.reveal() == "pw");
}

TEST_CASE("zeros behind a password do not count") {
  const auto read = login("a.io", std::string_view("me:pw\0\0", 7));
  REQUIRE(read);
  CHECK(read->secret.reveal() == "pw");
}

TEST_CASE("an empty entry is no login") {
  const ConfigFile file = config(R"({"auths": {"a.io": {}}})");
  const auto read = read_inline_login("a.io", *file.login_for("a.io")->login);
  REQUIRE_FALSE(read);
  CHECK(read.error().code() == Errc::kNotFound);
}

TEST_CASE("a bad auth is an error that quotes nothing of it") {
  InlineLogin entry;
  entry.auth = Secret("not base64 hunter2");
  CHECK(read_inline_login("a.io", entry).error().text() == "invalid auth format for a.io");
  CHECK_FALSE(login("a.io", ":password"));
}

TEST_CASE("a helper's name is never a path") {
  const auto name =
      GENERATE(as<std::string>(), "../evil", "/bin/sh", "a/b", "..", ".", "a.b", "", "a b", "a\\nb");
  CHECK(problem(R"({"credHelpers": {"a.io": ")" + name + R"("}})") ==
        "the helper of 'a.io' is not the name of a credential helper (letters, digits, - and _)");
  if (!name.empty()) CHECK_FALSE(ConfigFile::parse(R"({"credsStore": ")" + name + R"("})"));
}

TEST_CASE("an empty store is none") {
  CHECK(config(R"({"credsStore": ""})").creds_store().empty());
  CHECK(config(R"({"credsStore": "pass"})").creds_store() == "pass");
}

TEST_CASE("what the file has beside logins does not matter") {
  const ConfigFile file =
      config(R"({"HttpHeaders": {"X": 1}, "proxies": [], "auths": null, "credHelpers": null})");
  CHECK(file.logins().empty());
  CHECK(file.helpers().empty());
}

TEST_CASE("a file that is no login store says what is wrong with it") {
  CHECK(problem("{\n  \"auths\": nope\n}") == "not well-formed JSON");
  CHECK(problem("[]") == "it is not a JSON object");
  CHECK(problem(R"({"auths": []})") == "'auths' is not an object");
  CHECK(problem(R"({"credHelpers": "x"})") == "'credHelpers' is not an object");
  CHECK(problem(R"({"credsStore": 5})") == "'credsStore' is not a text");
  CHECK_FALSE(ConfigFile::parse(""));
}

TEST_CASE("a file that is missing has no logins") {
  const auto file = ConfigFile::load("/nonexistent/config.json");
  REQUIRE(file);
  CHECK(file->logins().empty());
  CHECK(file->creds_store().empty());
}

TEST_CASE("a file that cannot be read is an error that names it") {
  const auto file = ConfigFile::load("/proc/self");
  REQUIRE_FALSE(file);
  CHECK_THAT(file.error().text(), Catch::Contains("/proc/self"));
}
