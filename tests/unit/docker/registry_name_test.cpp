#include "shed/docker/registry_name.h"

#include <catch2/catch.hpp>

#include "shed/base/file.h"
#include "shed/base/json.h"

using namespace shed;
using namespace shed::docker;

namespace {

RegistryName name(std::string_view text) {
  const auto parsed = parse_registry(text);
  INFO(text << ": " << (parsed ? "" : parsed.error().text()));
  REQUIRE(parsed);
  return *parsed;
}

bool allows(std::vector<std::string> entries, std::string_view registry) {
  return AllowList(entries).allows(name(registry));
}

}  // namespace

TEST_CASE("names are normalised as the existing implementation has it") {
  const auto text = read_file(SHED_FIXTURES "/docker_normalize.json", 1024 * 1024);
  if (!text) {
    WARN("no vectors beside the checkout: " << text.error().text());
    return;
  }
  JsonDocument document;
  const auto root = document.parse(*text);
  REQUIRE(root);
  for (const JsonValue& vector : (*root)["normalize_vectors"].elements()) {
    CHECK(normalise(*vector["input"].string()) == *vector["expected"].string());
  }
}

TEST_CASE("a host's case does not count, a path's does") {
  CHECK(normalise("HTTPS://GHCR.io/My-Org") == "ghcr.io/My-Org");
}

TEST_CASE("every spelling of Docker Hub is the same registry") {
  const auto spelling =
      GENERATE(as<std::string>(), "docker.io", "index.docker.io", "https://index.docker.io/v1/",
               "https://index.docker.io/v1", "http://docker.io/", "registry-1.docker.io",
               "https://registry-1.docker.io/v2/", "Docker.IO", "registry.hub.docker.com");
  CHECK(name(spelling) == RegistryName{"index.docker.io", ""});
  CHECK(allows({"docker.io"}, spelling));
  CHECK(allows({"https://index.docker.io/v1/"}, spelling));
  CHECK_FALSE(allows({"ghcr.io"}, spelling));
}

TEST_CASE("a registry's port is part of its name") {
  CHECK(name("http://localhost:5000/v2/") == RegistryName{"localhost:5000", ""});
  CHECK(allows({"localhost:5000"}, "localhost:5000"));
  CHECK_FALSE(allows({"localhost"}, "localhost:5000"));
  CHECK_FALSE(allows({"localhost:5000"}, "localhost"));
  CHECK(name("[::1]:5000") == RegistryName{"[::1]:5000", ""});
  CHECK(name("[::1]") == RegistryName{"[::1]", ""});
}

TEST_CASE("a repository's path stays, without the slashes at its ends") {
  CHECK(name("ghcr.io/my-org/app/") == RegistryName{"ghcr.io", "my-org/app"});
  CHECK(name("index.docker.io/v1/library/alpine") == RegistryName{"index.docker.io", "library/alpine"});
}

TEST_CASE("what is no registry is refused") {
  const auto text =
      GENERATE(as<std::string>(), "", " ", "ghcr.io\n", "ghcr.io\nevil.io", "ghcr.io\r", "a b",
               std::string("ghcr.io\0x", 9), "ftp://ghcr.io", "https://", "https:///v2/", "/", "..", "a..b",
               ".io", "ghcr.io.", "ghcr.io:", "ghcr.io:port", "ghcr.io:123456", "ghcr.io/../x",
               "ghcr.io/a//b", "ghcr.io/a?b=c", "ghcr.io/#a", "gh*cr.io", "-x.io", "x;rm", "ghcr.io/$(id)",
               "[::1", "[]", "[zz]", "\xC3\xA4.io", "--version=`id`");
  INFO(text);
  const auto parsed = parse_registry(text);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code() == Errc::kInvalid);
}

TEST_CASE("a password in a server URL is refused and never quoted") {
  const auto parsed = parse_registry("https://me:hunter2@ghcr.io");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().text() == "the server URL has a user name in it");
}

TEST_CASE("a server URL has a longest length") {
  const std::string longest = "ghcr.io/" + std::string(kMaxServerUrl - 8, 'a');
  CHECK(parse_registry(longest));
  const auto longer = parse_registry(longest + "a");
  REQUIRE_FALSE(longer);
  CHECK(longer.error().code() == Errc::kLimit);
  CHECK_FALSE(parse_registry(std::string(64, 'a') + ".io"));
}

TEST_CASE("a star in an entry is one label or a part of one") {
  const std::vector<std::string> ecr{"*.dkr.ecr.*.amazonaws.com"};
  CHECK(allows(ecr, "123456789012.dkr.ecr.eu-central-1.amazonaws.com"));
  CHECK_FALSE(allows(ecr, "a.b.dkr.ecr.eu-central-1.amazonaws.com"));
  CHECK_FALSE(allows(ecr, "dkr.ecr.eu-central-1.amazonaws.com"));
  CHECK_FALSE(allows(ecr, "1.dkr.ecr.x.amazonaws.com.evil.com"));
  CHECK_FALSE(allows(ecr, "1.dkr.ecr.x.amazonaws.com:8443"));
  CHECK_FALSE(allows(ecr, "1.dkr.ecr.x.amazonaws.co"));
  CHECK(allows({"*-docker.pkg.dev"}, "europe-docker.pkg.dev"));
  CHECK_FALSE(allows({"*-docker.pkg.dev"}, "docker.pkg.dev"));
  CHECK(allows({"*"}, "localhost"));
  CHECK_FALSE(allows({"*"}, "ghcr.io"));
  CHECK(allows({"a*b*c.io"}, "aXbbYc.io"));
  CHECK_FALSE(allows({"a*b*c.io"}, "aXcYb.io"));
}

TEST_CASE("an entry with a path allows what lies below it only") {
  const std::vector<std::string> entries{"ghcr.io/my-org"};
  CHECK(allows(entries, "ghcr.io/my-org"));
  CHECK(allows(entries, "https://ghcr.io/my-org/app"));
  CHECK_FALSE(allows(entries, "ghcr.io"));
  CHECK_FALSE(allows(entries, "ghcr.io/my-organisation"));
  CHECK_FALSE(allows(entries, "ghcr.io/other"));
  CHECK(allows({"ghcr.io"}, "ghcr.io/my-org"));
}

TEST_CASE("an empty list allows nothing, allow_all everything that is a registry") {
  CHECK_FALSE(allows({}, "ghcr.io"));
  CHECK(AllowList({}, true).allows(name("ghcr.io")));
}

TEST_CASE("an entry that is no registry matches nothing and says why") {
  const auto entry = GENERATE(as<std::string>(), "", "a b", "ghcr.io/*", "ghcr.io/../x", "user@ghcr.io");
  CHECK_FALSE(check_entry(entry));
  CHECK_FALSE(allows({entry}, "ghcr.io"));
}
