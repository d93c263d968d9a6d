#include "shed/broker/docker_logins.h"

#include "host_config_testing.h"
#include "unit/net/net_fixture.h"

using namespace shed;
using namespace shed::broker;
using namespace shed::broker::testing;

namespace {

using Hosts = std::vector<std::string>;

struct LoginsFixture {
  HostConfig config(std::string_view section, std::string_view logins = "{}") {
    REQUIRE(write_file_atomically(folder / "config.json", logins, 0600));
    return config_of(fmt::format("docker:\n  config_path: {}\n{}", folder / "config.json", section));
  }
  net::TemporaryFolder folder;
};

}  // namespace

TEST_CASE_METHOD(LoginsFixture, "the hosts of an allow-list are known, whatever their spelling") {
  const auto made =
      config("  registries: ['https://index.docker.io/v1/', GHCR.io/my-org, 'localhost:5000']\n");
  CHECK(known_hosts(made, "", "web") == Hosts{"ghcr.io", "index.docker.io", "localhost:5000"});
}

TEST_CASE_METHOD(LoginsFixture, "of the owner's logins those are known that a wildcard allows") {
  const auto made = config("  registries: ['*.example.com']\n",
                           R"({"auths": {"https://a.example.com": {}, "quay.io": {}},
                               "credHelpers": {"b.example.com": "x"}})");
  CHECK(known_hosts(made, "", "web") == Hosts{"a.example.com", "b.example.com"});
}

TEST_CASE_METHOD(LoginsFixture, "with allow_all every login of the owner's is known") {
  const auto made = config("  allow_all: true\n", R"({"auths": {"docker.io": {}, "quay.io": {}}})");
  CHECK(known_hosts(made, "", "web") == Hosts{"index.docker.io", "quay.io"});
}

TEST_CASE_METHOD(LoginsFixture, "a file that cannot be read hides no host of the list") {
  CHECK(known_hosts(config("  registries: [ghcr.io]\n", "{broken"), "", "web") == Hosts{"ghcr.io"});
}

TEST_CASE_METHOD(LoginsFixture, "the configuration names the file of the logins") {
  CHECK(login_files(config("").docker).config_path == folder / "config.json");
}

TEST_CASE("an entry that is no registry is a notice, not an error") {
  const auto made = config_of("docker:\n  registries: [ghcr.io, 'ghcr.io/../x']\n");
  REQUIRE(made.notices.size() == 1);
  CHECK(made.notices[0].format() ==
        "extensions.yaml:2:15: docker.registries: \"ghcr.io/../x\" is not a registry, like ghcr.io, "
        "localhost:5000, "
        "*.dkr.ecr.*.amazonaws.com or ghcr.io/my-org; it matches nothing");
}

TEST_CASE("Docker is on where any guest may use any registry") {
  CHECK_FALSE(config_of("docker: { registries: [] }\n").docker_enabled());
  CHECK_FALSE(config_of("server: http://localhost:8080\n").docker_enabled());
  CHECK(config_of("docker: { registries: [ghcr.io] }\n").docker_enabled());
  CHECK(config_of("docker: { allow_all: true }\n").docker_enabled());
  CHECK(config_of("docker: { servers: { a: { allow_all: true } } }\n").docker_enabled());
  CHECK(config_of("docker: { servers: { a: { sheds: { b: { registries: [ghcr.io] } } } } }\n")
            .docker_enabled());
}
