#include "shed/broker/docker_client.h"

#include "fake_guest_bus.h"
#include "shed/broker/docker_payload.h"
#include "shed/broker/payload.h"

namespace shed::broker {
namespace {

using namespace testing;

class DockerClientFixture : public FakeGuestBus {
 public:
  DockerClientFixture() : FakeGuestBus(kDockerNamespace), client(server.loop, publisher) {}

  net::Running<HelperOutcome> start(std::string verb, std::string_view input = {}) {
    return {server.loop, client.run(std::move(verb), Secret(input))};
  }
  // "status|stdout|stderr".
  std::string run(std::string verb, std::string_view input = {}) {
    auto outcome = start(std::move(verb), input);
    REQUIRE(outcome.done());
    return text(*outcome);
  }
  static std::string text(const HelperOutcome& outcome) {
    return fmt::format("{}|{}|{}", outcome.status, outcome.out.reveal(), outcome.err);
  }

  DockerClient client;
};

using Fixture = DockerClientFixture;

constexpr const char* kNotFoundLine = "credentials not found in native keychain\n";

}  // namespace

TEST_CASE_METHOD(Fixture, "a login is printed as docker's helpers print it") {
  answers["get"] = R"({"server_url":"ghcr.io","username":"me","secret":"a\"b"})";
  CHECK(run("get", "https://ghcr.io\n") ==
        "0|{\"ServerURL\":\"https://ghcr.io\",\"Username\":\"me\",\"Secret\":\"a\\\"b\"}\n|");
  CHECK_THAT(last_body, Catch::Contains(R"("payload":{"operation":"get","server_url":"https://ghcr.io"})"));
}

TEST_CASE_METHOD(Fixture, "a registry without a login is not found, and nothing else is said") {
  answers["get"] = error_payload("credential request failed", "CREDENTIALS_NOT_FOUND");
  CHECK(run("get", "ghcr.io") == fmt::format("1|{}|", kNotFoundLine));
}

TEST_CASE_METHOD(Fixture, "a registry off the list is not found for the client, and told on stderr") {
  answers["get"] = error_payload("credential request failed", "REGISTRY_NOT_ALLOWED");
  CHECK(run("get", "ghcr.io") ==
        fmt::format("1|{}|docker-credential-shed: ghcr.io: not in the host's allow-list; add it to "
                    "docker.registries in extensions.yaml\n",
                    kNotFoundLine));
}

TEST_CASE_METHOD(Fixture, "a denial is not found for the client, and told on stderr") {
  answers["get"] = error_payload("approval denied", "REGISTRY_NOT_ALLOWED", "POLICY_DENIED",
                                 "docker.approval is deny-all");
  CHECK(run("get", "ghcr.io") ==
        fmt::format("1|{}|docker-credential-shed: ghcr.io: approval denied (POLICY_DENIED): "
                    "docker.approval is deny-all\n",
                    kNotFoundLine));
}

TEST_CASE_METHOD(Fixture, "a failed helper is an error on stdout") {
  answers["get"] = error_payload("credential request failed", "HELPER_FAILED");
  CHECK(run("get", "ghcr.io") ==
        "1|docker-credential-shed: ghcr.io: a helper or a login file failed on the host; its log says "
        "which\n|");
}

TEST_CASE_METHOD(Fixture, "what is no server URL is refused without asking the host") {
  const auto input =
      GENERATE(as<std::string>(), "", "\n", "a b", "me:pw@ghcr.io", "a\nb", std::string(5000, 'a'));
  const std::string outcome = run("get", input);
  CHECK_THAT(outcome, Catch::StartsWith("1|docker-credential-shed: the server URL"));
  CHECK(std::ranges::count(outcome, '\n') == 1);
  CHECK(operations.empty());
}

TEST_CASE_METHOD(Fixture, "what the host says cannot forge a second line") {
  answers["get"] = error_payload("oh\nno", "INTERNAL_ERROR");
  const std::string outcome = run("get", "ghcr.io");
  CHECK(outcome == "1|docker-credential-shed: ghcr.io: oh\\nno (INTERNAL_ERROR)\n|");
}

TEST_CASE_METHOD(Fixture, "an answer that is no login is an error that quotes nothing of it") {
  const auto answer = GENERATE(R"({"username":"me","secret":5})", R"({"secret":"hunter2"})", "[]", "null");
  answers["get"] = answer;
  CHECK(run("get", "ghcr.io") == "1|docker-credential-shed: ghcr.io: the host's answer is no login\n|");
}

TEST_CASE_METHOD(Fixture, "a host that is away is said after 5 s") {
  auto outcome = start("get", "ghcr.io");
  server.pass(DockerClient::kRequestLimit - Millis(1));
  CHECK_FALSE(outcome.done());
  server.pass(Millis(1));
  REQUIRE(outcome.done());
  CHECK(
      Fixture::text(*outcome) ==
      "1|docker-credential-shed: ghcr.io: the host does not answer: no answer within 5s; is shed-host-agent "
      "running? start it on the host with: shed-ext host\n|");
}

TEST_CASE_METHOD(Fixture, "where a person is asked, the answer is waited for") {
  answers["ping"] = R"({"status":"ok","request_timeout_ms":25000})";
  auto outcome = start("get", "ghcr.io");
  server.pass(HostRequests::kPatience);
  CHECK_FALSE(outcome.done());
  server.pass(Millis(25'000));
  CHECK_FALSE(outcome.done());
  server.pass(Millis(1'000));
  CHECK(outcome.done());
}

TEST_CASE_METHOD(Fixture, "a list is one object of registries and users") {
  answers["list"] = R"({"registries":{"ghcr.io":"me","https://index.docker.io/v1/":"you"}})";
  CHECK(run("list") == "0|{\"ghcr.io\":\"me\",\"https://index.docker.io/v1/\":\"you\"}\n|");
  answers["list"] = R"({"registries":{}})";
  CHECK(run("list") == "0|{}\n|");
}

TEST_CASE_METHOD(Fixture, "a list that fails is one line") {
  answers["list"] = error_payload("list failed", "INTERNAL_ERROR");
  CHECK(run("list") == "1|docker-credential-shed: list: list failed (INTERNAL_ERROR)\n|");
  answers["list"] = R"({"registries":[]})";
  CHECK(run("list") == "1|docker-credential-shed: list: the host's answer is no list of registries\n|");
}

TEST_CASE_METHOD(Fixture, "store and erase are refused without asking the host") {
  const auto verb = GENERATE(as<std::string>(), "store", "erase");
  CHECK(run(verb, R"({"ServerURL":"ghcr.io","Username":"me","Secret":"hunter2"})") ==
        fmt::format("1|docker-credential-shed: {}: logins are read-only here: change them on the host\n|",
                    verb));
  CHECK(operations.empty());
}

TEST_CASE_METHOD(Fixture, "another command is refused with those that there are") {
  CHECK(run("fetch") ==
        "1|docker-credential-shed: unknown command 'fetch': get, list, store, erase, version\n|");
}

}  // namespace shed::broker
